function varargout = plotTracing(volume, report, thickness)
%AET.PLOTTRACING  A slice of a volume with the atoms traced in it.
%   AET.PLOTTRACING(VOLUME, REPORT, THICKNESS) shows the mean over the slice
%   |z| <= THICKNESS / 2 (angstrom, default 2) and the atoms in it of REPORT,
%   an aet.Table of aet.Atoms.accuracy: circles for found ones, one colour per
%   species, triangles where the species is wrong or no atom is there, crosses
%   for missing ones. REPORT may also be aet.Atoms, all shown as circles.
%   HANDLES = AET.PLOTTRACING(...) are the plots of the atoms.

if nargin < 3
    thickness = 2;
end
aet.internal.require(volume, 'aet.Volume', 'volume');
if isa(report, 'aet.Atoms')
    places = report.positions;
    species = report.species;
    state = zeros(size(species));
else
    aet.internal.require(report, 'aet.Table', 'report');
    places = [report.column('x') report.column('y') report.column('z')];
    species = report.column('found_species');
    state = report.column('state');
end
values = volume.values('double');
[ny, nx, nz] = size(values);
axis_of = @(n) ((0:n - 1) - floor(n / 2)) * volume.voxelSize;
planes = abs(axis_of(nz)) <= max(thickness, volume.voxelSize) / 2;
imagesc(axis_of(nx), axis_of(ny), mean(values(:, :, planes), 3));
colormap(gray(256));
axis image
xlabel('x (A)'), ylabel('y (A)')

keep = ishold();
hold on
shown = abs(places(:, 3)) <= thickness / 2;
species(isnan(species)) = -1;   % missing
numbers = unique(species(species >= 0));
colours = lines(max(numel(numbers), 1));
[handles, names] = deal([], {});
kinds = {'o', 0, 'Z = %d'; '^', [1 2], 'false Z = %d'};
for i = 1:numel(numbers)
    for k = 1:size(kinds, 1)
        of = shown & species == numbers(i) & ismember(state, kinds{k, 2});
        if any(of)
            handles(end + 1) = double(plot(places(of, 1), places(of, 2), kinds{k, 1}, ...
                'Color', colours(i, :), 'LineWidth', 1.5)); %#ok<AGROW>
            names{end + 1} = sprintf(kinds{k, 3}, numbers(i)); %#ok<AGROW>
        end
    end
end
missing = shown & species < 0;
if any(missing)
    handles(end + 1) = double(plot(places(missing, 1), places(missing, 2), 'rx', 'LineWidth', 1.5));
    names{end + 1} = 'missing';
end
if ~keep
    hold off
end
if ~isempty(handles)
    legend(handles, names, 'Location', 'northeastoutside');
end
if nargout > 0
    varargout{1} = handles;
end
end
