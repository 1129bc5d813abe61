function s = arrays()
%ARRAYS  The problem as plain arrays: six tilts with two foci each.

s.rows = 24;
s.columns = 20;
s.pixelSize = 0.5;
s.tilt = kron(1:6, [1 1]);
s.defocus = repmat([0 10], 1, 6);
for k = 1:12
    angle = (s.tilt(k) - 3.5) * 0.4;
    s.rotations(:, :, k) = [cos(angle) 0 sin(angle); 0 1 0; -sin(angle) 0 cos(angle)];
    s.images(:, :, k) = projection(s, s.rotations(:, :, k));
end
end

function image = projection(s, rotation)
[column, row] = meshgrid(0:s.columns - 1, 0:s.rows - 1);
x = (column - floor(s.columns / 2)) * s.pixelSize;
y = (row - floor(s.rows / 2)) * s.pixelSize;
image = zeros(s.rows, s.columns);
for p = rotation * truePositions()'
    image = image + exp(-((x - p(1)).^2 + (y - p(2)).^2) / 0.6);
end
end
