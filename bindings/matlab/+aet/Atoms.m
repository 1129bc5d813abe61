classdef Atoms < aet.internal.Object
    %AET.ATOMS  A list of atoms; it does not change once made.
    %   ATOMS = AET.ATOMS(POSITIONS, 'Species', Z, 'Height', H, 'Width', B)
    %   takes POSITIONS [n x 3] in angstrom, specimen origin at 0. All options
    %   have n values, or one for all:
    %     Species   atomic numbers, of an integer class or whole doubles
    %     Height    height of the Gaussian orbital, image units
    %     Width     B of exp(-rho^2 / B), angstrom^2
    %   ATOMS = AET.ATOMS.READ(FILE) reads extended xyz, AET.ATOMS.GENERATE
    %   makes particles and films.
    %
    %   Properties, one row per atom, NaN where not known: positions [n x 3],
    %     x, y, z, species, height, width, occupancy, probability,
    %     standardError [n x 3]; count
    %   Methods: write, compare
    %
    %   Example
    %     report = found.compare(truth);
    %     fprintf('%d of %d atoms, %.1f pm\n', report.matched, report.trueCount, report.rmsdPm)
    %
    %   See also aet.LocalOrbital, aet.plotAtoms

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
        standardError   % [n x 3] angstrom
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

        function write(this, file)
            %WRITE  Write extended xyz.
            aet_mex('atoms_write', this.key, char(file));
        end

        function [report, errors] = compare(this, truth, varargin)
            %COMPARE  Compare with true atoms.
            %   REPORT = found.compare(TRUTH, 'Cutoff', C, 'RemoveRotation', TF)
            %   matches mutually nearest atoms within C angstrom (default 0.9),
            %   after removing the common shift, with 'RemoveRotation' also the
            %   common rotation. REPORT has trueCount, matched, missing, extra,
            %   rmsdPm, rmsdXPm, rmsdYPm, rmsdZPm, speciesCorrect, shift,
            %   rotationDeg, rmsdRotatedPm. [REPORT, ERRORS] also gives the
            %   error of each found atom [n x 3] in angstrom, NaN if unmatched.
            aet.internal.require(truth, 'aet.Atoms', 'truth');
            options = aet.internal.options('compare', {'Cutoff', 'RemoveRotation'}, varargin);
            [report, errors] = aet_mex('atoms_compare', this.key, truth.key, options);
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

        function value = get.standardError(this)
            value = this.column('standard_error');
        end
    end

    methods (Static)
        function atoms = read(file)
            %READ  Read extended xyz.
            atoms = aet.Atoms.fromKey(aet_mex('atoms_read', char(file)));
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
        function value = column(this, name)
            value = aet_mex('atoms_copy_column', this.key, name);
        end
    end
end
