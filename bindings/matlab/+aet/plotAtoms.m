function varargout = plotAtoms(atoms)
%AET.PLOTATOMS  Atoms as coloured balls, one colour per species.
%   AET.PLOTATOMS(ATOMS) takes an aet.Atoms or positions [n x 3] in angstrom.
%   HANDLES = AET.PLOTATOMS(ATOMS) are the plots, one per species.

if isnumeric(atoms)
    positions = atoms;
    species = zeros(size(positions, 1), 1);
else
    aet.internal.require(atoms, 'aet.Atoms', 'atoms');
    positions = atoms.positions;
    species = atoms.species;
    species(isnan(species)) = 0;
end
numbers = unique(species);
colours = lines(numel(numbers));
handles = zeros(numel(numbers), 1);
names = cell(numel(numbers), 1);
keep = ishold();
for i = 1:numel(numbers)
    of = species == numbers(i);
    handles(i) = double(plot3(positions(of, 1), positions(of, 2), positions(of, 3), 'o', ...
        'MarkerSize', 7, 'MarkerEdgeColor', 'k', 'MarkerFaceColor', colours(i, :)));
    hold on
    names{i} = sprintf('Z = %d (%d)', numbers(i), nnz(of));
end
if ~keep
    hold off
end
axis equal
grid on
xlabel('x (A)'), ylabel('y (A)'), zlabel('z (A)')
if any(numbers ~= 0)
    legend(handles, names);
end
if nargout > 0
    varargout{1} = handles;
end
end
