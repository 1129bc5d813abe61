classdef Simulation < aet.internal.Object
    %AET.SIMULATION  Multislice simulation of what a microscope sees of atoms.
    %   SIM = AET.SIMULATION(ATOMS, ENERGYEV, 'Name', value, ...): ATOMS with a
    %   cell and known species, ready to be seen by electrons of this energy
    %   (eV). It does not change. The frame is the cell of the atoms, periodic
    %   across the beam: pixel (row, column) lies at
    %   y = (row - 1) * pixelSize(1), x = (column - 1) * pixelSize(2); the beam
    %   enters at z = 0, and the defocus of a probe refers to that face.
    %   SIM = AET.SIMULATION.FROMPOTENTIAL(POTENTIAL, [X Y], ENERGYEV, ...)
    %   takes slices of projected potential [rows x columns x slices], V A.
    %
    %   Options
    %     PixelSize        at most so many angstrom (default 0.1), or
    %     Rows, Columns    pixels of the cell
    %     SliceThickness   angstrom (default 2), or
    %     SliceEdges       faces of the slices from 0 to the height of the cell
    %     WindowRows, WindowColumns
    %                      pixels of the window around the probe through which
    %                      a wave travels (default: the whole cell)
    %     PatternSampling  'window' (default) | 'padded': patterns of windows are
    %                      sampled twice as finely
    %     PrismSemiAngleMrad
    %                      scans by PRISM: the largest semi-angle of the probes
    %                      to come; with PrismInterpolationY and
    %                      PrismInterpolationX (default 1, divisors of the
    %                      pixels) and PrismDownsampling (default false)
    %     WithinCell       true: scan positions outside of the cell are refused
    %                      (default false: the cell is periodic)
    %     Parametrization  'lobato' (default) | 'kirkland'
    %     Placement        'exact' (default) | 'gridding' with PlacementError
    %     Projection       'infinite' (default) | 'finite' with ProjectionError
    %     BandLimit        'circular' (default) | 'square' | 'none'
    %     Absorption       imaginary part of the potential, 0 to 1
    %     MistiltMrad      [x y]
    %     Precision        'single' (default) | 'double'
    %     Progress         function as for aet.LocalOrbital.run
    %     Context          aet.Context, default: the shared one
    %
    %   Properties: sliceCount, atomCount, wavelength, gridSize, windowSize,
    %     patternSize, pixelSize, memory
    %   Methods: potential, exitWave, probeExitWave, signalSize, scan,
    %     scanEnsemble, thicknessSeries, windowError, patterns, pullBack; static
    %     fromPotential, estimateMemory, chooseWindow
    %
    %   Example
    %     sim = aet.Simulation(atoms, 300e3, 'PixelSize', 0.1);
    %     haadf = aet.Detector('annular', 'InnerMrad', 40, 'OuterMrad', 60);
    %     [x, y] = meshgrid(0:0.2:5);
    %     image = reshape(sim.scan(probe, [x(:) y(:)], haadf), size(x));
    %
    %   See also aet.Detector, aet.Probe, aet.Atoms

    properties (Dependent)
        sliceCount
        atomCount       % 0 where it was made of a potential
        wavelength      % angstrom
        gridSize        % pixels of the cell, [rows columns]
        windowSize      % pixels of waves
        patternSize     % pixels of diffraction patterns
        pixelSize       % along y and x, angstrom
        memory          % bytes of it and of scans, and with gradients, too
    end

    properties (Constant, Hidden)
        freeCommand = 'simulation_free';
        options = {'PixelSize', 'Rows', 'Columns', 'SliceThickness', 'SliceEdges', 'WindowRows', ...
            'WindowColumns', 'Parametrization', 'Placement', 'PlacementError', 'Projection', 'ProjectionError', ...
            'BandLimit', 'Absorption', 'MistiltMrad', 'Precision', 'PatternSampling', 'PrismSemiAngleMrad', ...
            'PrismInterpolationY', 'PrismInterpolationX', 'PrismDownsampling', 'WithinCell', 'Context'};
        gradients = {'positions', 'potential', 'atomPositions', 'debyeWallerB', 'occupancy'};
    end

    methods
        function this = Simulation(atoms, energyEv, varargin)
            if nargin == 0
                return   % filled by the static methods
            end
            aet.internal.require(atoms, 'aet.Atoms', 'atoms');
            known = [aet.Simulation.options, {'Progress'}];
            options = aet.internal.options('aet.Simulation', known, varargin);
            [progress, options] = aet.internal.take(options, 'Progress', []);
            [context, options] = aet.Simulation.prepared(options, energyEv);
            this.key = aet.internal.withProgress(progress, 'simulation_create', context.key, atoms.key, options);
        end

        function values = potential(this, slice)
            %POTENTIAL  Potential [rows x columns] of a slice, V A.
            values = aet_mex('simulation_potential', this.key, slice);
        end

        function psi = exitWave(this, incident, slices)
            %EXITWAVE  The wave behind the first slices.
            %   PSI = sim.exitWave() of a plane wave 1 behind all slices,
            %   sim.exitWave(INCIDENT), sim.exitWave(INCIDENT, SLICES) with
            %   INCIDENT [rows x columns] or [] for the plane wave.
            if nargin < 2
                incident = [];
            end
            if nargin < 3
                slices = 0;
            end
            psi = aet_mex('simulation_exit_wave', this.key, incident, slices);
        end

        function [psi, first] = probeExitWave(this, probe, position, slices)
            %PROBEEXITWAVE  The wave of a probe at [x y] behind the first slices.
            %   [PSI, FIRST] = sim.probeExitWave(PROBE, [X Y]), (..., SLICES):
            %   PSI is as large as the window; its first pixel is pixel FIRST,
            %   [row column], of the cell.
            aet.internal.require(probe, 'aet.Probe', 'probe');
            if nargin < 4
                slices = 0;
            end
            [psi, first] = aet_mex('simulation_probe_exit_wave', this.key, probe.key, double(position), slices);
        end

        function value = signalSize(this, detector)
            %SIGNALSIZE  Size of the signal of a detector; [] for one number.
            aet.internal.require(detector, 'aet.Detector', 'detector');
            value = reshape(aet_mex('simulation_signal_shape', this.key, detector.key), 1, []);
        end

        function signals = scan(this, probe, positions, detectors, varargin)
            %SCAN  Signals of a probe at many positions.
            %   SIGNALS = sim.scan(PROBE, POSITIONS, DETECTOR, 'Progress', f)
            %   with POSITIONS [n x 2], x and y in angstrom, anywhere: the cell is
            %   periodic. SIGNALS has the axes of the signal, then n; n x 1 for a
            %   detector of one number. With a cell of detectors it is a cell.
            %   Signals are fractions of the beam, centres of mass 1 / angstrom.
            aet.internal.require(probe, 'aet.Probe', 'probe');
            options = aet.internal.options('scan', {'Progress'}, varargin);
            [keys, sizes] = this.listed(detectors);
            values = aet.internal.withProgress(aet.internal.take(options, 'Progress', []), 'simulation_scan', ...
                this.key, probe.key, positions, keys);
            signals = signalsOf(values, sizes, detectors);
        end

        function [means, errors] = scanEnsemble(this, probe, positions, detectors, varargin)
            %SCANENSEMBLE  Means of the signals of a scan over an ensemble.
            %   [MEANS, ERRORS] = sim.scanEnsemble(PROBE, POSITIONS, DETECTORS,
            %   'Name', value, ...), both in the form of what scan returns; ERRORS
            %   are the standard errors of the means over the configurations of
            %   atoms, NaN for fewer than two.
            %     PhononConfigurations
            %                      configurations of displaced atoms (frozen
            %                      phonons, see aet.Atoms.displaced); 0 (default):
            %                      Debye-Waller factors blur the potential
            %     PhononSeed       of the displacements
            %     DefocusSpread, SemiAngleSpreadMrad
            %                      standard deviations, angstrom and mrad, with
            %     DefocusNodes, SemiAngleNodes
            %                      probes that stand for them (default 7 and 5)
            %     Progress         function as for aet.LocalOrbital.run
            aet.internal.require(probe, 'aet.Probe', 'probe');
            known = {'PhononConfigurations', 'PhononSeed', 'DefocusSpread', 'DefocusNodes', 'SemiAngleSpreadMrad', ...
                'SemiAngleNodes', 'Progress'};
            options = aet.internal.options('scanEnsemble', known, varargin);
            [progress, options] = aet.internal.take(options, 'Progress', []);
            [keys, sizes] = this.listed(detectors);
            [means, errors] = aet.internal.withProgress(progress, 'simulation_scan_ensemble', this.key, probe.key, ...
                positions, keys, options);
            means = signalsOf(means, sizes, detectors);
            errors = signalsOf(errors, sizes, detectors);
        end

        function signals = thicknessSeries(this, probe, positions, exitSlices, detectors, varargin)
            %THICKNESSSERIES  Signals of specimens of several thicknesses.
            %   SIGNALS = sim.thicknessSeries(PROBE, POSITIONS, EXITSLICES,
            %   DETECTORS, 'Progress', f): those of a scan behind the first
            %   EXITSLICES slices, rising numbers, in one run. SIGNALS is in the
            %   form of what scan returns with the exits as last axis.
            aet.internal.require(probe, 'aet.Probe', 'probe');
            options = aet.internal.options('thicknessSeries', {'Progress'}, varargin);
            [keys, sizes] = this.listed(detectors);
            values = aet.internal.withProgress(aet.internal.take(options, 'Progress', []), ...
                'simulation_thickness_series', this.key, probe.key, positions, keys, exitSlices);
            signals = signalsOf(values, sizes, detectors);
        end

        function [largest, relative] = windowError(this, probe, positions, detectors, varargin)
            %WINDOWERROR  What the window of the simulation costs.
            %   [LARGEST, RELATIVE] = sim.windowError(PROBE, POSITIONS, DETECTORS,
            %   'Progress', f): the largest difference of any signal at POSITIONS,
            %   a few that matter, from that through a window of twice the size,
            %   or the whole cell where that is smaller; and the same over the
            %   largest signal.
            aet.internal.require(probe, 'aet.Probe', 'probe');
            options = aet.internal.options('windowError', {'Progress'}, varargin);
            [largest, relative] = aet.internal.withProgress(aet.internal.take(options, 'Progress', []), ...
                'simulation_window_error', this.key, probe.key, positions, this.listed(detectors));
        end

        function values = patterns(this, probe, positions, varargin)
            %PATTERNS  Diffraction patterns of a probe at many positions.
            %   PATTERNS = sim.patterns(PROBE, POSITIONS, 'Progress', f): singles
            %   [rows x columns x n] of patternSize, fractions of the beam, zero angle at pixel
            %   floor(n / 2) + 1.
            aet.internal.require(probe, 'aet.Probe', 'probe');
            options = aet.internal.options('patterns', {'Progress'}, varargin);
            values = aet.internal.withProgress(aet.internal.take(options, 'Progress', []), 'simulation_patterns', ...
                this.key, probe.key, positions);
        end

        function gradients = pullBack(this, probe, positions, detectors, bySignal, wanted, varargin)
            %PULLBACK  Gradients of a loss of the signals of a scan.
            %   G = sim.pullBack(PROBE, POSITIONS, DETECTORS, BYSIGNAL, WANTED,
            %   'Progress', f) with dL/dsignals in the form of what scan returns.
            %   WANTED is one of, or a cell of, and G a struct with
            %     positions      [n x 2]                     1 / angstrom
            %     potential      [rows x columns x slices]   1 / (V angstrom)
            %     atomPositions  [atoms x 3]                 1 / angstrom
            %     debyeWallerB   [atoms x 1]                 1 / angstrom^2
            %     occupancy      [atoms x 1]
            aet.internal.require(probe, 'aet.Probe', 'probe');
            options = aet.internal.options('pullBack', {'Progress'}, varargin);
            flags = struct();
            for name = cellstr(wanted)
                if ~any(strcmp(name{1}, aet.Simulation.gradients))
                    error('aet:unknownOption', 'pullBack: got ''%s'', wanted some of %s', name{1}, ...
                        strjoin(aet.Simulation.gradients, ', '));
                end
                flags.(name{1}) = true;
            end
            [keys, sizes] = this.listed(detectors);
            if ~iscell(bySignal)
                bySignal = {bySignal};
            end
            if numel(bySignal) ~= numel(sizes)
                error('aet:shape', 'pullBack: bySignal: got %d arrays, wanted %d', numel(bySignal), numel(sizes));
            end
            rows = cell(1, numel(sizes));
            for i = 1:numel(sizes)
                rows{i} = fromSignal(bySignal{i}, sizes{i}, size(positions, 1));
            end
            gradients = aet.internal.withProgress(aet.internal.take(options, 'Progress', []), ...
                'simulation_pull_back', this.key, probe.key, positions, keys, double([rows{:}]), flags);
        end

        function value = get.sliceCount(this)
            value = aet_mex('simulation_slice_count', this.key);
        end

        function value = get.atomCount(this)
            value = aet_mex('simulation_atom_count', this.key);
        end

        function value = get.wavelength(this)
            value = aet_mex('simulation_wavelength', this.key);
        end

        function value = get.gridSize(this)
            value = aet_mex('simulation_shape', this.key);
        end

        function value = get.windowSize(this)
            value = aet_mex('simulation_window_shape', this.key);
        end

        function value = get.patternSize(this)
            value = aet_mex('simulation_pattern_shape', this.key);
        end

        function value = get.pixelSize(this)
            value = aet_mex('simulation_pixel_size', this.key);
        end

        function value = get.memory(this)
            [scans, withGradients] = aet_mex('simulation_memory_estimate', this.key);
            value = struct('bytes', scans, 'withGradients', withGradients);
        end
    end

    methods (Access = private)
        function [keys, sizes] = listed(this, detectors)
            % Keys of one detector or of a cell of them, and the sizes of their signals.
            if ~iscell(detectors)
                detectors = {detectors};
            end
            sizes = cellfun(@(detector) this.signalSize(detector), detectors(:)', 'UniformOutput', false);
            keys = zeros(1, numel(detectors), 'uint64');
            for i = 1:numel(detectors)
                keys(i) = detectors{i}.key;
            end
        end
    end

    methods (Static)
        function simulation = fromPotential(potential, extent, energyEv, varargin)
            %FROMPOTENTIAL  A simulation of a potential of one's own.
            %   SIM = aet.Simulation.fromPotential(POTENTIAL, [X Y], ENERGYEV, ...)
            %   with POTENTIAL [rows x columns x slices], V A, over a cell of X by
            %   Y angstrom. Slices are SliceThickness (2) thick or lie between
            %   SliceEdges; options of the sampling and of atoms must be left out.
            options = aet.internal.options('fromPotential', [aet.Simulation.options, {'Progress'}], varargin);
            [progress, options] = aet.internal.take(options, 'Progress', []);
            [context, options] = aet.Simulation.prepared(options, energyEv);
            simulation = aet.Simulation();
            simulation.key = aet.internal.withProgress(progress, 'simulation_create_from_potential', context.key, ...
                potential, double(extent), options);
        end

        function value = chooseWindow(atoms, probe, focus, varargin)
            %CHOOSEWINDOW  Pixels of a window for a probe.
            %   SIZE = aet.Simulation.chooseWindow(ATOMS, PROBE, FOCUS,
            %   'PixelSize', d, ...), [rows columns], with the crossover up to FOCUS
            %   angstrom (default 0) from the middle of the cell; the pixels of the
            %   cell where nothing smaller will do. The sampling comes from the
            %   options. windowError measures what a window costs.
            aet.internal.require(atoms, 'aet.Atoms', 'atoms');
            aet.internal.require(probe, 'aet.Probe', 'probe');
            if nargin < 3
                focus = 0;
            end
            known = aet.Simulation.options;
            options = aet.internal.options('chooseWindow', known(~strcmp(known, 'Context')), varargin);
            value = aet_mex('simulation_choose_window', atoms.key, probe.key, focus, options);
        end

        function value = estimateMemory(atoms, energyEv, varargin)
            %ESTIMATEMEMORY  Bytes that a simulation and work with it will need.
            %   M = aet.Simulation.estimateMemory(ATOMS, ENERGYEV, ...), a struct
            %   with bytes (scans) and withGradients; results do not count.
            aet.internal.require(atoms, 'aet.Atoms', 'atoms');
            options = aet.internal.options('estimateMemory', aet.Simulation.options, varargin);
            [context, options] = aet.Simulation.prepared(options, energyEv);
            [scans, withGradients] = aet_mex('simulation_estimate_memory', context.key, atoms.key, options);
            value = struct('bytes', scans, 'withGradients', withGradients);
        end
    end

    methods (Static, Access = private)
        function [context, options] = prepared(options, energyEv)
            [context, options] = aet.internal.take(options, 'Context', []);
            context = aet.internal.context(context);
            options.EnergyEv = energyEv;
        end
    end
end

function signals = signalsOf(values, sizes, detectors)
% A table n x count (x exits) as [signal..., n (exits)], for a cell of detectors as a cell.
[n, ~, exits] = size(values);
signals = cell(1, numel(sizes));
last = 0;
for i = 1:numel(sizes)
    count = prod(sizes{i});
    rows = reshape(permute(values(:, last + (1:count), :), [1 3 2]), n * exits, count);
    signals{i} = toSignal(rows, sizes{i});
    if exits > 1
        signals{i} = reshape(signals{i}, [sizes{i}, n, exits]);
    end
    last = last + count;
end
if ~iscell(detectors)
    signals = signals{1};
end
end

function signal = toSignal(values, extent)
% n x count, the last axis of the signal fastest, to [signal..., n]; n x 1 for one number.
switch numel(extent)
    case 0
        signal = values;
    case 1
        signal = values.';
    otherwise
        signal = permute(reshape(values.', extent(2), extent(1), []), [2 1 3]);
end
end

function values = fromSignal(signal, extent, n)
% The other way round.
wanted = [extent n];
if numel(wanted) == 1
    wanted = [n 1];
end
got = size(signal);
got(end + 1:numel(wanted)) = 1;   % a trailing axis of one element is not shown
if ~isequal(got, wanted)
    error('aet:shape', 'pullBack: bySignal: got %s, wanted %s', mat2str(size(signal)), mat2str(wanted));
end
switch numel(extent)
    case 0
        values = signal;
    case 1
        values = signal.';
    otherwise
        values = reshape(permute(signal, [2 1 3]), prod(extent), []).';
end
end
