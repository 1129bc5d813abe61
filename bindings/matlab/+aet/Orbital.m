classdef Orbital < aet.internal.Object
    %AET.ORBITAL  The shape of local orbitals; it does not change once made.
    %   An atom is H f(rho / sqrt(B)) with Gaussian terms f(q) = sum of
    %   w exp(-q^2 / s). It is an option of aet.LocalOrbital and of
    %   findAtoms; without it f(q) = exp(-q^2).
    %
    %   ORBITAL = AET.ORBITAL.GAUSSIANS(WEIGHTS, WIDTHS) of 1 to 12 terms
    %   ORBITAL = AET.ORBITAL.SLATER() projects the Slater function
    %   ORBITAL = AET.ORBITAL.TABLE(RADII, VALUES) follows a table
    %   ORBITAL = recon.fitOrbital() fits the images of an aet.LocalOrbital
    %
    %   Properties: terms [n x 2], termCount, expansionError
    %   Methods: evaluate; static gaussians, slater, table
    %
    %   Example
    %     recon = aet.LocalOrbital(series, probe, 'Start', atoms, ...
    %         'Orbital', aet.Orbital.slater());
    %
    %   See also aet.LocalOrbital, aet.TiltSeries

    properties (Dependent)
        terms           % [n x 2] weight w and width s of each, in units of B
        termCount       % number of Gaussian terms
        expansionError  % largest difference from the function that was
                        % expanded, relative to its largest value; 0 for
                        % given terms
    end

    properties (Constant, Hidden)
        freeCommand = 'orbital_free';
    end

    methods
        function values = evaluate(this, radii, width)
            %EVALUATE  Values and derivatives.
            %   VALUES = orbital.evaluate(RADII, B) [n x 3]: at each radius
            %   (angstrom) f(rho / sqrt(B)), its derivative with respect to rho
            %   (1 / angstrom) and that with respect to B (1 / angstrom^2).
            values = aet_mex('orbital_evaluate', this.key, radii, width);
        end

        function value = get.terms(this)
            value = aet_mex('orbital_copy_terms', this.key);
        end

        function value = get.termCount(this)
            value = aet_mex('orbital_term_count', this.key);
        end

        function value = get.expansionError(this)
            value = aet_mex('orbital_expansion_error', this.key);
        end
    end

    methods (Static)
        function orbital = gaussians(weights, widths)
            %GAUSSIANS  Given Gaussian terms.
            %   aet.Orbital.gaussians(WEIGHTS, WIDTHS): single weights may be
            %   negative, the integral must be positive; widths are in units of B.
            orbital = aet.Orbital.fromKey(aet_mex('orbital_create_gaussians', weights, widths));
        end

        function orbital = slater(varargin)
            %SLATER  The projection of exp(-r / a), B = 8 a^2.
            %   aet.Orbital.slater(), aet.Orbital.slater('Tolerance', T): in the
            %   fewest Gaussian terms that follow it within T of its largest
            %   value (1e-5 to 0.1, default 1e-3: 6 terms).
            options = aet.internal.options('aet.Orbital.slater', {'Tolerance'}, varargin);
            orbital = aet.Orbital.fromKey(aet_mex('orbital_create_slater', options));
        end

        function orbital = table(radii, values, varargin)
            %TABLE  A function given by its values.
            %   aet.Orbital.table(RADII, VALUES, 'Name', value, ...): RADII, in
            %   units of sqrt(B), begin at 0; the last of VALUES is at most a
            %   hundredth of the largest.
            %     Kind       'projected' (default): VALUES are f itself
            %                'spatial': the function in space, whose integral
            %                along the beam is f
            %     Tolerance  as for slater
            options = aet.internal.options('aet.Orbital.table', {'Kind', 'Tolerance'}, varargin);
            orbital = aet.Orbital.fromKey(aet_mex('orbital_create_table', radii, values, options));
        end
    end

    methods (Static, Hidden)
        function orbital = fromKey(key)
            % Wraps an orbital that the gateway has just made.
            orbital = aet.Orbital();
            orbital.key = key;
        end

        function options = keyIn(options)
            % The option Orbital as the gateway wants it: by its key.
            if isfield(options, 'Orbital') && ~isempty(options.Orbital)
                aet.internal.require(options.Orbital, 'aet.Orbital', 'Orbital');
                options.Orbital = options.Orbital.key;
            end
        end
    end
end
