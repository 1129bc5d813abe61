classdef Probe < aet.internal.Object
    %AET.PROBE  The electron probe: aperture, aberrations, source size.
    %   PROBE = AET.PROBE('EnergyEv', E, 'SemiAngleMrad', A, ...). A probe
    %   does not change once made. Lengths and aberrations are in angstrom,
    %   azimuths of aberrations in radian, in the notation of abTEM.
    %
    %   Options
    %     EnergyEv       energy of the beam, eV
    %     SemiAngleMrad  convergence semi-angle, mrad
    %     Defocus        positive: crossover at +Defocus along the beam
    %                    (C10 = -Defocus)
    %     C12 Phi12 C21 Phi21 C23 Phi23 C30 C32 Phi32 C34 Phi34 C41 Phi41
    %     C43 Phi43 C45 Phi45 C50 C52 Phi52 C54 Phi54 C56 Phi56
    %     SourceSize     Gaussian sigma of the source
    %     Aperture       'soft' (default) | 'hard' edge
    %
    %   Properties: wavelength, energyEv, semiAngleMrad, defocus, depthOfField
    %   Methods: wave, intensity
    %
    %   Example
    %     probe = aet.Probe('EnergyEv', 300e3, 'SemiAngleMrad', 25);
    %     imagesc(probe.intensity([64 64], 'PixelSize', 0.2, 'Depth', 50))
    %
    %   See also aet.LocalOrbital

    properties (Dependent)
        wavelength      % angstrom
        energyEv        % eV
        semiAngleMrad   % mrad
        defocus         % angstrom
        depthOfField    % 2 lambda / alpha^2, angstrom
    end

    properties (Constant, Hidden)
        freeCommand = 'probe_free';
    end

    properties (Constant, Hidden)
        options = {'EnergyEv', 'SemiAngleMrad', 'Defocus', 'C12', 'Phi12', 'C21', 'Phi21', 'C23', 'Phi23', ...
            'C30', 'C32', 'Phi32', 'C34', 'Phi34', 'C41', 'Phi41', 'C43', 'Phi43', 'C45', 'Phi45', ...
            'C50', 'C52', 'Phi52', 'C54', 'Phi54', 'C56', 'Phi56', 'SourceSize', 'Aperture'};
    end

    methods
        function this = Probe(varargin)
            options = aet.internal.options('aet.Probe', aet.Probe.options, varargin);
            this.key = aet_mex('probe_create', options);
        end

        function psi = wave(this, size, varargin)
            %WAVE  Complex wave on a grid, origin at floor(n/2)+1.
            %   PSI = probe.wave([ROWS COLUMNS], 'PixelSize', P, 'Depth', Z,
            %   'X', X, 'Y', Y): the probe stands at (X, Y), the plane at depth
            %   Z along the beam. The squares of its Fourier transform sum to 1.
            options = aet.internal.options('wave', {'PixelSize', 'Depth', 'X', 'Y'}, varargin);
            psi = aet_mex('probe_wave', this.key, double(size), options);
        end

        function image = intensity(this, size, varargin)
            %INTENSITY  Intensity on a grid, source size included; sums to 1.
            %   IMAGE = probe.intensity([ROWS COLUMNS], 'PixelSize', P, 'Depth', Z)
            options = aet.internal.options('intensity', {'PixelSize', 'Depth'}, varargin);
            image = aet_mex('probe_intensity', this.key, double(size), options);
        end

        function value = get.wavelength(this)
            value = aet_mex('probe_wavelength', this.key);
        end

        function value = get.energyEv(this)
            value = aet_mex('probe_energy_ev', this.key);
        end

        function value = get.semiAngleMrad(this)
            value = aet_mex('probe_semiangle_mrad', this.key);
        end

        function value = get.defocus(this)
            value = aet_mex('probe_defocus', this.key);
        end

        function value = get.depthOfField(this)
            value = aet_mex('probe_depth_of_field', this.key);
        end
    end
end
