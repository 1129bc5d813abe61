function truth = instrumentTruth(name, size, varargin)
%INSTRUMENTTRUTH  What an instrument adds to images.
%   TRUTH = AET.INSTRUMENTTRUTH(NAME, [ROWS COLUMNS], 'Name', value, ...), with
%   the options of aet.TiltSeries.record and
%     PixelSize  angstrom (default 1)
%     Image      number of the image (default 1)
%   NAME is
%     'displacements'  [rows x columns x 2], along x' and y' in angstrom, of
%                      the beam from where the pixels say it is; the specimen
%                      appears shifted the opposite way
%     'gain'           [rows x columns], relative, 0 of dead pixels
%     'dark'           [rows x columns], mean electrons
%     'defects'        [rows x columns], 0 good, 1 dead, 2 hot
%
%   See also aet.TiltSeries, aet.recordPatterns

known = [aet.TiltSeries.instrumentOptions, {'PixelSize', 'Image'}];
options = aet.internal.options('aet.instrumentTruth', known, varargin);
[pixelSize, options] = aet.internal.take(options, 'PixelSize', 1);
[image, options] = aet.internal.take(options, 'Image', 1);
if numel(size) ~= 2
    error('aet:shape', 'aet.instrumentTruth: got a size of %d numbers, wanted [rows columns]', numel(size));
end
truth = aet_mex('instrument_copy_truth', char(name), options, size(1), size(2), pixelSize, image);
end
