classdef Atoms < aet.internal.Object
    %AET.ATOMS  A list of atoms; it does not change once made.
    %   ATOMS = AET.ATOMS(POSITIONS, 'Species', Z, 'Height', H, 'Width', B)
    %   takes POSITIONS [n x 3] in angstrom, specimen origin at 0. All options
    %   have n values, or one for all:
    %     Species   atomic numbers, of an integer class or whole doubles
    %     Height    height of the Gaussian orbital, image units
    %     Width     B of exp(-rho^2 / B), angstrom^2
    %   ATOMS = AET.ATOMS.READ(FILE) reads xyz, CIF, POSCAR, LAMMPS data or PDB,
    %   AET.ATOMS.GENERATE makes particles and films.
    %
    %   Properties, one row per atom, NaN where not known: positions [n x 3],
    %     x, y, z, species, height, width, occupancy, probability,
    %     debyeWallerB, debyeWallerU, rmsDisplacement, standardError [n x 3];
    %     count; cell [1 x 3], or [] without cell
    %   Methods: write, compare, accuracy, classify, closePairs; new from old lists:
    %     withColumn, withElementValues, withCell, rotate, shift, placeInCell,
    %     wrap, cutSlab, subset, repeat, merge, displaced
    %
    %   Example
    %     report = found.compare(truth);
    %     fprintf('%d of %d atoms, %.1f pm\n', report.matched, report.trueCount, report.rmsdPm)
    %
    %   See also aet.LocalOrbital, aet.plotAtoms, aet.plotTracing

    properties (Dependent)
        count           % number of atoms
        positions       % [n x 3] angstrom
        x               % angstrom
        y               % angstrom
        z               % angstrom
        species         % atomic numbers
        height          % image units
        width           % angstrom^2
        occupancy
        probability
        debyeWallerB    % B = 8 pi^2 <u^2>, angstrom^2
        debyeWallerU    % <u^2> along one axis, angstrom^2
        rmsDisplacement % along one axis, angstrom
        standardError   % [n x 3] angstrom
        cell            % [1 x 3] edges along x, y, z, angstrom; [] where there is none
    end

    properties (Constant, Hidden)
        freeCommand = 'atoms_free';
    end

    methods
        function this = Atoms(positions, varargin)
            if nargin == 0
                return   % filled by the static methods
            end
            options = aet.internal.options('aet.Atoms', {'Species', 'Height', 'Width'}, varargin);
            if isfield(options, 'Species') && isfloat(options.Species)
                whole = options.Species == round(options.Species) & abs(options.Species) < 2^31;
                if ~all(whole(:))
                    error('aet:range', 'aet.Atoms: Species: got %g, wanted atomic numbers', ...
                        options.Species(find(~whole, 1)));
                end
                options.Species = int32(options.Species);
            end
            this.key = aet_mex('atoms_create', positions, options);
        end

        function write(this, file, format)
            %WRITE  Write the format that the ending of the name tells.
            %   atoms.write(FILE), atoms.write(FILE, FORMAT) with FORMAT 'xyz',
            %   'cif', 'poscar', 'lammps' or 'pdb'. Extended xyz has all columns
            %   and the cell; CIF, POSCAR and LAMMPS need a cell.
            if nargin < 3
                format = '';
            end
            aet_mex('atoms_write', this.key, char(file), char(format));
        end

        function atoms = withColumn(this, name, values)
            %WITHCOLUMN  The atoms with a column set.
            %   ATOMS = atoms.withColumn(NAME, VALUES) takes n values, [n x 3] for
            %   'positions' and 'standard_error', or one for all. Other names: x,
            %   y, z, species, height, width, occupancy, probability, and one of
            %   debye_waller_b (angstrom^2), debye_waller_u (<u^2> along one axis,
            %   angstrom^2) or rms_displacement (angstrom), which sets all three.
            atoms = this.changed('atoms_with_column', char(name), values);
        end

        function atoms = withElementValues(this, name, species, values)
            %WITHELEMENTVALUES  The atoms with a column set per element.
            %   ATOMS = atoms.withElementValues('debye_waller_b', [14 79], [0.5 0.6])
            %   gives one value per atomic number.
            atoms = this.changed('atoms_with_element_values', char(name), species, values);
        end

        function atoms = withCell(this, cell)
            %WITHCELL  The atoms in an orthogonal cell.
            %   ATOMS = atoms.withCell([LX LY LZ]), angstrom, with a corner at 0;
            %   [] takes the cell away.
            atoms = this.changed('atoms_with_cell', cell);
        end

        function atoms = rotate(this, rotation)
            %ROTATE  The atoms at R * p, without their cell; R is [3 x 3].
            atoms = this.changed('atoms_rotate', rotation);
        end

        function atoms = shift(this, by)
            %SHIFT  The atoms moved by [x y z] angstrom, in the same cell.
            atoms = this.changed('atoms_shift', by);
        end

        function atoms = placeInCell(this, varargin)
            %PLACEINCELL  The atoms shifted into a cell of their own.
            %   ATOMS = atoms.placeInCell('Extent', [LX LY LZ]) or
            %   ATOMS = atoms.placeInCell('Vacuum', [X Y Z]), angstrom on both
            %   sides. The origin of the specimen, about which tilt series turn,
            %   goes to the middle; with 'CenterAtoms', true the middle between
            %   the outermost atoms.
            options = aet.internal.options('placeInCell', {'Extent', 'Vacuum', 'CenterAtoms'}, varargin);
            [extent, options] = aet.internal.take(options, 'Extent', []);
            [vacuum, options] = aet.internal.take(options, 'Vacuum', []);
            atoms = this.changed('atoms_place_in_cell', extent, vacuum, ...
                aet.internal.take(options, 'CenterAtoms', false));
        end

        function atoms = wrap(this, varargin)
            %WRAP  The atoms folded into their cell along x and y.
            %   ATOMS = atoms.wrap('PeriodicZ', true) folds along z, too.
            options = aet.internal.options('wrap', {'PeriodicZ'}, varargin);
            atoms = this.changed('atoms_wrap', aet.internal.take(options, 'PeriodicZ', false));
        end

        function atoms = cutSlab(this, axis, from, to)
            %CUTSLAB  The atoms with FROM <= p < TO along 'x', 'y' or 'z'.
            number = find(strcmp(char(axis), {'x', 'y', 'z'}));
            if isempty(number)
                error('aet:unknownOption', 'cutSlab: axis: got ''%s'', wanted x, y or z', char(axis));
            end
            atoms = this.changed('atoms_cut_slab', number - 1, from, to);
        end

        function atoms = subset(this, indices)
            %SUBSET  The atoms of these indices, or where a mask is true.
            if islogical(indices)
                indices = find(indices);
            end
            atoms = this.changed('atoms_subset', indices);
        end

        function atoms = repeat(this, nx, ny, nz)
            %REPEAT  NX x NY x NZ copies of the cell side by side, in one cell.
            atoms = this.changed('atoms_repeat', nx, ny, nz);
        end

        function atoms = merge(this, other)
            %MERGE  These atoms and then those of OTHER.
            aet.internal.require(other, 'aet.Atoms', 'other');
            atoms = this.changed('atoms_merge', other.key);
        end

        function atoms = displaced(this, seed, number)
            %DISPLACED  The atoms in one configuration of frozen phonons.
            %   ATOMS = atoms.displaced(SEED, NUMBER), NUMBER from 1: displaced as
            %   their Debye-Waller factors tell, and without these.
            atoms = this.changed('atoms_displace', seed, number);
        end

        function [pairs, distances] = closePairs(this, distance, varargin)
            %CLOSEPAIRS  Pairs of atoms nearer than DISTANCE angstrom.
            %   [PAIRS, DISTANCES] = atoms.closePairs(DISTANCE, 'PeriodicZ', TF)
            %   gives indices [n x 2] and distances [n x 1]. In a cell they count
            %   across its faces along x and y, with 'PeriodicZ' also along z.
            options = aet.internal.options('closePairs', {'PeriodicZ'}, varargin);
            periodic = aet.internal.take(options, 'PeriodicZ', false);
            [pairs, distances] = aet_mex('atoms_close_pairs', this.key, distance, periodic);
        end

        function [report, errors] = compare(this, truth, varargin)
            %COMPARE  Compare with true atoms.
            %   REPORT = found.compare(TRUTH, 'Cutoff', C, 'RemoveRotation', TF)
            %   matches mutually nearest atoms within C angstrom (default 0.9),
            %   after removing the common shift, with 'RemoveRotation' also the
            %   common rotation. REPORT has trueCount, matched, missing, extra,
            %   rmsdPm, rmsdXPm, rmsdYPm, rmsdZPm, speciesCorrect, shift,
            %   rotationDeg, rmsdRotatedPm, tracingError. [REPORT, ERRORS] also gives the
            %   error of each found atom [n x 3] in angstrom, NaN if unmatched.
            aet.internal.require(truth, 'aet.Atoms', 'truth');
            options = aet.internal.options('compare', {'Cutoff', 'RemoveRotation'}, varargin);
            [report, errors] = aet_mex('atoms_compare', this.key, truth.key, options);
        end

        function table = accuracy(this, truth, varargin)
            %ACCURACY  These atoms beside the true ones, as an aet.Table.
            %   TABLE = found.accuracy(TRUTH, 'Name', value, ...) has a row per
            %   found atom, in their order, and then one per missing atom, with
            %   the columns x, y, z (angstrom); state: 0 correct, 1 wrong species,
            %   2 extra, 3 missing; found_species, true_species, true_index, NaN
            %   where there is none; error_x, error_y, error_z, error (pm); depth
            %   and surface_distance (angstrom; negative outside). Single values:
            %   tracing_error, species_correct, rmsd (pm) and more.
            %     Cutoff       of pairs, angstrom (default 0.9)
            %     DepthAxis    [x y z] A; the depth of an atom at P is A * P
            %                  (default: z)
            %     ProbeRadius  of the ball that tells the surface, angstrom
            %     Progress     function as for aet.LocalOrbital.run
            %     Context      aet.Context
            %   See also aet.Table.errorProfile, aet.Table.confusion
            aet.internal.require(truth, 'aet.Atoms', 'truth');
            known = {'Cutoff', 'DepthAxis', 'ProbeRadius', 'Progress', 'Context'};
            options = aet.internal.options('accuracy', known, varargin);
            [progress, options] = aet.internal.take(options, 'Progress', []);
            [context, options] = aet.internal.take(options, 'Context', []);
            context = aet.internal.context(context);
            key = aet.internal.withProgress(progress, 'atoms_accuracy', context.key, this.key, truth.key, options);
            table = aet.Table.fromKey(key);
        end

        function [atoms, table, classes] = classify(this, species, varargin)
            %CLASSIFY  Which species the atoms are, and which are none.
            %   [ATOMS, TABLE, CLASSES] = traced.classify(SPECIES, 'Name', value, ...)
            %   takes up to eight atomic numbers in ascending order of the
            %   intensity that is expected. ATOMS have species and probability.
            %   TABLE has a row per atom of TRACED: intensity, inside (part of the
            %   region in the volume), class (0 for non-atoms, from 1 on the
            %   species), species, probability, and probability_1, ... of each
            %   class. CLASSES has a row per class: class, species, count, mean,
            %   sigma, fraction, and values as iterations and converged.
            %     Volume      aet.Volume (default: by the heights of the atoms)
            %     NonAtoms    true: a class below the species, whose members are
            %                 removed
            %     Method      'gaussian' (default) | 'kMeans' | 'profileGlobal' |
            %                 'profileLocal' | 'expected': logarithms about what
            %                 is Expected
            %     Expected    how strongly each species scatters, any unit, such
            %                 as aet.adfTransfer (default: Z^1.6)
            %     Smoothing   of the volume, standard deviation in angstrom
            %     Region      'box' of voxels (default) | 'boxLength' in angstrom |
            %                 'sphere' by its radius in angstrom
            %     RegionSize  its size (default: 5 voxels)
            %     Radius      of local profiles, angstrom (default 10)
            %     OtsuMask    true: the volume counts inside its Otsu mask only
            %     Seed        of random starts
            %     Progress    function as for aet.LocalOrbital.run
            known = {'Volume', 'NonAtoms', 'Method', 'Smoothing', 'Region', 'RegionSize', 'Radius', 'OtsuMask', ...
                'Seed', 'Expected', 'Progress'};
            options = aet.internal.options('classify', known, varargin);
            options.Species = species;
            [volume, options] = aet.internal.take(options, 'Volume', []);
            if ~isempty(volume)
                aet.internal.require(volume, 'aet.Volume', 'Volume');
                volume = volume.key;
            end
            [progress, options] = aet.internal.take(options, 'Progress', []);
            [atoms, table, classes] = aet.internal.withProgress(progress, 'atoms_classify', this.key, volume, options);
            atoms = aet.Atoms.fromKey(atoms);
            table = aet.Table.fromKey(table);
            classes = aet.Table.fromKey(classes);
        end

        function value = get.count(this)
            value = aet_mex('atoms_count', this.key);
        end

        function value = get.positions(this)
            value = this.column('positions');
        end

        function value = get.x(this)
            value = this.column('x');
        end

        function value = get.y(this)
            value = this.column('y');
        end

        function value = get.z(this)
            value = this.column('z');
        end

        function value = get.species(this)
            value = this.column('species');
        end

        function value = get.height(this)
            value = this.column('height');
        end

        function value = get.width(this)
            value = this.column('width');
        end

        function value = get.occupancy(this)
            value = this.column('occupancy');
        end

        function value = get.probability(this)
            value = this.column('probability');
        end

        function value = get.debyeWallerB(this)
            value = this.column('debye_waller_b');
        end

        function value = get.debyeWallerU(this)
            value = this.column('debye_waller_u');
        end

        function value = get.rmsDisplacement(this)
            value = this.column('rms_displacement');
        end

        function value = get.cell(this)
            value = aet_mex('atoms_copy_cell', this.key)';
            if any(isnan(value))
                value = [];
            end
        end

        function value = get.standardError(this)
            value = this.column('standard_error');
        end
    end

    methods (Static)
        function atoms = read(file, format)
            %READ  Read atoms and their cell from a file.
            %   ATOMS = aet.Atoms.read(FILE) takes the format from the name: .xyz,
            %   .extxyz; .cif; POSCAR, CONTCAR, .vasp; .lmp, .lammps, .data; .pdb,
            %   .ent. ATOMS = aet.Atoms.read(FILE, FORMAT) is told: 'xyz', 'cif',
            %   'poscar', 'lammps' or 'pdb'.
            if nargin < 2
                format = '';
            end
            atoms = aet.Atoms.fromKey(aet_mex('atoms_read', char(file), char(format)));
        end
    end

    methods (Static)
        function atoms = generate(structure, varargin)
            %GENERATE  Generated atoms.
            %   ATOMS = aet.Atoms.generate(STRUCTURE, 'Name', value, ...)
            %   STRUCTURE: 'amorphous', 'film', 'simpleCubic', 'faceCentredCubic',
            %   'bodyCentredCubic', 'hexagonalClosePacked', 'diamond', 'rockSalt',
            %   'caesiumChloride', 'zincBlende', 'l10', 'l12', 'spinel',
            %   'perovskite', 'decahedron' or 'icosahedron'.
            %   ATOMS = aet.Atoms.generate('', 'Preset', P, ...) takes the particle
            %   of a paper ('m0' to 'm8', 'cuau', 'bao'), changed by the options.
            %     Species          atomic numbers in the order of the formula
            %     LatticeA, LatticeC, LatticeOrigin, AnionParameter
            %     Shape            'ball' | 'box' | 'octahedron' | 'cuboctahedron' |
            %                      'truncatedOctahedron' | 'rhombicDodecahedron' |
            %                      'irregular' (Roughness)
            %     Width, Count, SpeciesCounts, Stoichiometric: how large
            %     Extent           edges of a box; of a film periods, thickness
            %     Density          g/cm^3; MinimumDistance, MaximumDistance
            %     Shells           icosahedron: n, decahedron: [p q r]
            %     AnglesDeg, AngleOrder, Center
            %     Displacement     rms per axis; Vacancies, Substitution, Substitute
            %     CoreSpecies, CoreShrink
            %     Support          'exit' | 'entrance'; SupportThickness, SupportExtent
            %     Seed, Progress
            %   Lengths in angstrom. See aet_structure_options in aet.h.
            known = {'Preset', 'Species', 'LatticeA', 'LatticeC', 'LatticeOrigin', 'AnionParameter', 'Shape', ...
                'Roughness', 'Width', 'Count', 'SpeciesCounts', 'Stoichiometric', 'Extent', 'Density', ...
                'MinimumDistance', 'MaximumDistance', 'Shells', 'AnglesDeg', 'AngleOrder', 'Center', ...
                'Displacement', 'Vacancies', 'Substitution', 'Substitute', 'CoreSpecies', 'CoreShrink', ...
                'Support', 'SupportThickness', 'SupportExtent', 'Seed', 'Progress'};
            options = aet.internal.options('aet.Atoms.generate', known, varargin);
            [progress, options] = aet.internal.take(options, 'Progress', []);
            options.Structure = char(structure);   % empty: that of the preset
            atoms = aet.Atoms.fromKey(aet.internal.withProgress(progress, 'atoms_generate', options));
        end
    end

    methods (Static, Hidden)
        function atoms = fromKey(key)
            % Wraps an atom list that the gateway has just made.
            atoms = aet.Atoms();
            atoms.key = key;
        end
    end

    methods (Access = private)
        function atoms = changed(this, command, varargin)
            % The list that a command of the gateway makes of this one.
            atoms = aet.Atoms.fromKey(aet_mex(command, this.key, varargin{:}));
        end

        function value = column(this, name)
            value = aet_mex('atoms_copy_column', this.key, name);
        end
    end
end
