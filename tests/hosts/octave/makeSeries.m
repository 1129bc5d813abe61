function series = makeSeries(s, varargin)
%MAKESERIES  aet.TiltSeries of the arrays of the problem, with further options.

series = aet.TiltSeries(s.images, 'Rotations', s.rotations, 'Tilt', s.tilt, 'Defocus', s.defocus, ...
    'PixelSize', s.pixelSize, varargin{:});
end
