classdef Detector < aet.internal.Object
    %AET.DETECTOR  Makes signals of diffraction patterns; it does not change.
    %   DETECTOR = AET.DETECTOR(KIND, 'Name', value, ...). Angles are in mrad;
    %   whole pixels count, by their centres. KIND is one of
    %     'annular'          sum over InnerMrad <= angle < OuterMrad
    %     'flexibleAnnular'  sums over rings StepMrad wide
    %     'segmented'        sums over the segments of rings
    %     'pixelated'        the pattern, cropped and binned, zero angle at
    %                        pixel floor(n / 2) + 1
    %     'centerOfMass'     sum k I / sum I, x and y, 1 / angstrom
    %
    %   Options
    %     InnerMrad      annular, flexible, segmented (default 0)
    %     OuterMrad      default: the whole pattern; flexible and segmented
    %                    need one; pixelated: pixels up to this angle
    %     StepMrad       flexible: width of a ring (default 1)
    %     RadialBins, AzimuthalBins, RotationDeg
    %                    segmented: rings (default 1), segments of each
    %                    (default 4), where the first begins, from x towards y
    %     Rows, Columns  pixelated: size after binning
    %     Binning        pixelated: pattern pixels per pixel (default 1)
    %     Unnormalized   centerOfMass: true: sum k I
    %     Sensitivity    [rows x columns] measured efficiencies by which
    %                    patterns are multiplied first, zero angle at pixel
    %                    floor(n / 2) + 1
    %     SensitivityRowStepMrad, SensitivityColumnStepMrad
    %                    angles between its rows and columns (equal)
    %
    %   Properties: kind
    %   Methods: measure; static integrate
    %
    %   Example
    %     com = aet.Detector('centerOfMass');
    %     field = com.measure(patterns, 0.8, 'EnergyEv', 300e3);
    %     image = aet.Detector.integrate(field, 0.2);
    %
    %   See also aet.Probe

    properties (Dependent)
        kind            % 'annular', ...
    end

    properties (Constant, Hidden)
        freeCommand = 'detector_free';
    end

    methods
        function this = Detector(kind, varargin)
            known = {'InnerMrad', 'OuterMrad', 'StepMrad', 'RotationDeg', 'RadialBins', 'AzimuthalBins', ...
                'Rows', 'Columns', 'Binning', 'Unnormalized', 'Sensitivity', 'SensitivityRowStepMrad', ...
                'SensitivityColumnStepMrad'};
            if nargin == 0
                error('aet:unknownOption', 'aet.Detector: wanted a kind, ''annular'' for example');
            end
            options = aet.internal.options('aet.Detector', known, varargin);
            options.Kind = char(kind);
            this.key = aet_mex('detector_create', options);
        end

        function signals = measure(this, patterns, rowStepMrad, varargin)
            %MEASURE  Apply the detector to measured diffraction patterns.
            %   SIGNALS = detector.measure(PATTERNS, STEPMRAD, 'Name', value, ...)
            %   takes PATTERNS [ky x kx x scan rows x scan columns ...] of a
            %   numeric class. SIGNALS has the axes of the signal (none, [rings],
            %   [rings x segments], [ky x kx] or [2]: x, y) and then those of the
            %   scan.
            %     ColumnStepMrad  angle between columns (default: STEPMRAD)
            %     EnergyEv        centerOfMass needs it
            %     Order           'centered' (default): zero angle at pixel
            %                     floor(n / 2) + 1; 'fft': at pixel 1
            %     Progress        function as for aet.LocalOrbital.run
            %     Context         aet.Context, default: the shared one
            known = {'ColumnStepMrad', 'EnergyEv', 'Order', 'Progress', 'Context'};
            options = aet.internal.options('measure', known, varargin);
            [progress, options] = aet.internal.take(options, 'Progress', []);
            [context, options] = aet.internal.take(options, 'Context', []);
            context = aet.internal.context(context);
            options.RowStepMrad = rowStepMrad;
            signals = aet.internal.withProgress(progress, 'detector_measure', this.key, context.key, patterns, options);
        end

        function value = get.kind(this)
            value = aet_mex('detector_get_kind', this.key);
        end
    end

    methods (Static)
        function image = integrate(field, rowStep, columnStep)
            %INTEGRATE  Integrated centre of mass (iCOM).
            %   IMAGE = aet.Detector.integrate(FIELD, STEP), (FIELD, ROWSTEP,
            %   COLUMNSTEP): the image [rows x columns] of mean 0 whose gradient
            %   fits FIELD [2 x rows x columns] (x, y, 1 / angstrom) best on a
            %   periodic scan with these steps (angstrom). For a thin specimen
            %   2 pi IMAGE is the phase.
            if nargin < 3
                columnStep = rowStep;
            end
            image = aet_mex('integrate_center_of_mass', field, rowStep, columnStep);
        end
    end
end
