function checkOrbitals()
%CHECKORBITALS  Shapes of local orbitals.

section('shapes of orbitals');
radii = [0 0.4 1.1];
f = exp(-radii.^2 / 0.6);
gaussian = aet.Orbital.gaussians(1, 1);
wanted = [f; -2 * radii / 0.6 .* f; radii.^2 / 0.36 .* f]';
difference = gaussian.evaluate(radii, 0.6) - wanted;
check('a Gaussian orbital', max(abs(difference(:))) < 1e-14);
check('its term', isequal(gaussian.terms, [1 1]) && gaussian.expansionError == 0);
slater = aet.Orbital.slater();
check('a Slater function in 6 terms', slater.termCount == 6 && slater.expansionError <= 1e-3);
check('f(0) of it is near 1', abs(slater.evaluate(0, 0.6)(1) - 1) <= 1.001e-3);
q = (0:0.05:4)';
check('a table of a Gaussian is one term', aet.Orbital.table(q, exp(-q.^2)).termCount == 1);

unknown = 'aet:unknownOption';
expect('tolerance 2', 'aet:range', 'tolerance', @() aet.Orbital.slater('Tolerance', 2));
expect('two shapes', 'aet:shape', 'widths', @() aet.Orbital.gaussians([1 1], 1));
expect('table that begins late', 'aet:range', 'first radius', @() aet.Orbital.table(q(2:end), exp(-q(2:end))));
expect('one value too few', 'aet:shape', 'values', @() aet.Orbital.table(q, exp(-q(2:end))));
expect('unknown kind', unknown, 'Kind', @() aet.Orbital.table(q, exp(-q), 'Kind', 'flat'));
expect('option that is not there', unknown, 'Tolerence', @() aet.Orbital.slater('Tolerence', 0.01));
expect('negative radius', 'aet:range', 'radii', @() slater.evaluate(-1, 0.6));
expect('width 0', 'aet:range', 'width', @() slater.evaluate(1, 0));

f = makeFit();
fit = @(varargin) aet.LocalOrbital(f.series, f.probe, 'Start', f.atoms, 'Model', 'rigid', 'Precision', 'double', ...
    varargin{:});
first = fitted(fit());
other = fitted(fit('Orbital', slater));
check('none is the Gaussian', fitted(fit('Orbital', [])) == first && fitted(fit('Orbital', gaussian)) == first);
check('a fit with another shape is another one', isfinite(other) && other ~= first);
check('and keeps its orbital', fitted(fit('Orbital', aet.Orbital.slater())) == other);
check('atoms found with it', f.series.findAtoms([], 'Orbital', slater).count > 0);
expect('an orbital by name', 'aet:argumentType', 'Orbital', @() fit('Orbital', 'slater'));
expect('a probe as orbital', 'aet:argumentType', 'Orbital', @() fit('Orbital', f.probe));
expect('a number as orbital of a search', 'aet:argumentType', 'Orbital', @() f.series.findAtoms([], 'Orbital', 3));

recon = aet.LocalOrbital(f.series, [], 'Start', f.atoms, 'Model', 'direct', 'Precision', 'double');
recon.run('MaxIterations', 20);
shape = recon.fitOrbital();
check('the shape of the atoms', shape.termCount >= 1 && all(shape.terms(:, 1) > 0));
check('f(0) of it is 1', abs(sum(shape.terms(:, 1)) - 1) < 1e-12);
check('a shape of one term', isequal(recon.fitOrbital('Widths', 1).terms, [1 1]));
expect('11 widths', 'aet:range', '11', @() recon.fitOrbital('Widths', 1:11));
expect('a negative width', 'aet:range', 'width of term 1', @() recon.fitOrbital('Widths', [1 -1]));
expect('a width by name', 'aet:dtype', 'Widths', @() recon.fitOrbital('Widths', 'wide'));
expect('no such option of a shape', unknown, 'Width', @() recon.fitOrbital('Width', 1));
expect('error in progress of a shape', 'test:broken', 'broken', ...
    @() recon.fitOrbital('Progress', @(p) error('test:broken', 'broken')));
first = aet.LocalOrbital(f.series, f.probe, 'Start', f.atoms, 'Model', 'rigid', 'Precision', 'double');
table = first.scanDefocus('Range', 20, 'Step', 10, 'Tilts', 1);
check('a scan of the defocus', table.rows > 0 && any(strcmp(table.columns, 'misfit')));
expect('a negative range of a scan', 'aet:range', 'range', @() first.scanDefocus('Range', -1));
next = first.continued('Model', 'adaptive', 'ProbeSide', 5, 'Precision', 'double');
next.run('MaxIterations', 2);
[depths, probes] = next.probeImages(1);
check('probes of 5 pixels', isequal(size(probes), [5 5 numel(depths)]) && probes(3, 3, 1) > probes(1, 1, 1));
check('pixels are a block', all(next.block('probe')(:) >= 0));
check('a table of probes', next.probeTable().rows >= numel(depths));
expect('probes of no image', 'aet:range', 'image', @() next.probeImages(1000));
expect('a scan of adaptive probes', 'aet:unsupported', 'adaptive', @() next.scanDefocus());

delete(slater);
expect('deleted orbital', 'aet:staleHandle', 'orbital', @() slater.terms);
expect('deleted orbital of a fit', 'aet:staleHandle', 'orbital', @() fit('Orbital', slater));
expect('deleted orbital of a search', 'aet:staleHandle', 'orbital', @() f.series.findAtoms([], 'Orbital', slater));
end

function loss = fitted(recon)
recon.run('MaxIterations', 3);
loss = lossOf(recon);
end
