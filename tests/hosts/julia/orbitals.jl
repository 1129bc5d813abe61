# Shapes of local orbitals.

function check_orbitals()
    radii = [0.0, 0.4, 1.1]
    f = exp.(-radii .^ 2 ./ 0.6)
    gaussian = gaussian_orbital([1], [1])
    wanted = [f -2radii ./ 0.6 .* f radii .^ 2 ./ 0.36 .* f]
    check("a Gaussian orbital", maximum(abs, evaluate(gaussian, radii, 0.6) - wanted) < 1e-14)
    check("its term", gaussian.terms == [1.0 1.0] && gaussian.expansion_error == 0)
    slater = slater_orbital()
    check("a Slater function in 6 terms", slater.term_count == 6 && 0 < slater.expansion_error <= 1e-3, slater)
    check("f(0) of it is near 1", abs(evaluate(slater, radii, 0.6)[1] - 1) <= 1.001e-3)
    check("its terms sum to it", evaluate(slater, [0.0], 1)[1] ≈ sum(slater.terms[:, 1]))
    q = 0:0.05:4
    check("a table of a Gaussian is one term", tabulated_orbital(q, exp.(-q .^ 2)).term_count == 1)
    check_orbital_faults(collect(q))
    check_orbital_fits(slater)
    check_fitted_orbital()
    check_probes()
end

"Probes: another model that goes on, the defocus by a scan, how probes spread."
function check_probes()
    recon = LocalOrbital(small_series(), small_probe(); start = POSITIONS, model = :rigid, precision = :double)
    table = scan_defocus!(recon; range = 20, step = 10, tilts = 1)
    check("a scan of the defocus", length(table[:misfit]) > 0 && all(isfinite, table[:misfit]))
    check_fault(() -> scan_defocus!(recon; range = -1), "a negative range", :range, "range")
    check_fault(() -> scan_defocus!(_ -> false, recon), "a scan cancelled", :cancelled)
    next = continued(recon; model = :adaptive, probe_side = 5, precision = :double)
    run!(next; iterations = 2)
    depths, probes = probe_images(next, 1)
    check("probes of 5 pixels", size(probes) == (length(depths), 5, 5) && probes[1, 3, 3] > probes[1, 1, 1])
    check("pixels are a block", all(>=(0), block(next, :probe)))
    check("a table of probes", length(probe_table(next)[:depth]) >= length(depths))
    check_fault(() -> probe_images(next, 1000), "probes of no image", :range, "image")
    check_fault(() -> scan_defocus!(next), "a scan of adaptive probes", :unsupported, "adaptive")
end

"The shape that images tell, and requests that have none."
function check_fitted_orbital()
    series = small_series()
    recon = LocalOrbital(series; start = POSITIONS .+ 0.1, model = :direct, precision = :double)
    run!(recon; iterations = 20)
    shape = fit_orbital(recon)
    check("the shape of the atoms", shape.term_count >= 1 && all(>(0), shape.terms[:, 1]), shape.terms)
    check("f(0) of it is 1", sum(shape.terms[:, 1]) ≈ 1)
    check("a shape of one term", fit_orbital(recon; widths = [1]).terms == [1.0 1.0])
    check_fault(() -> fit_orbital(recon; widths = Float64[]), "no widths", :range, "widths")
    check_fault(() -> fit_orbital(recon; widths = 1:11), "11 widths", :range, "11")
    check_fault(() -> fit_orbital(recon; widths = [1, -1]), "a negative width", :range, "width of term 1")
    check_fault(() -> fit_orbital(_ -> false, recon), "shape cancelled", :cancelled)
    check_throws(() -> fit_orbital(_ -> error("mine"), recon), "exception of the progress of a shape", e -> e.msg == "mine")
    check_fault(() -> fit_orbital(Tomography(series)), "shape of a volume", :unsupported, "fit_orbital")
    close(recon)
    check_fault(() -> fit_orbital(recon), "shape of a closed fit", :stale_handle)
end

function check_orbital_faults(q)
    check_fault(() -> slater_orbital(tolerance = 2), "tolerance 2", :range, "tolerance", "2")
    check_fault(() -> gaussian_orbital([1.0, 1.0], [1.0]), "two shapes", :shape, "widths")
    check_fault(() -> tabulated_orbital(q[2:end], exp.(-q[2:end])), "table that begins late", :range, "first radius")
    check_fault(() -> tabulated_orbital(q, exp.(-q)[2:end]), "one value too few", :shape, "values")
    check_fault(() -> tabulated_orbital(q, exp.(-q); kind = :flat), "unknown kind", :unknown_option, "flat", ":spatial")
    check_fault(() -> tabulated_orbital(q, exp.(-q); kind = 99), "unknown kind by number", :unknown_option, "99")
    check_fault(() -> evaluate(slater_orbital(), [-1.0], 0.6), "negative radius", :range, "radii")
    check_fault(() -> evaluate(slater_orbital(), [1.0], 0), "width 0", :range, "width")
    check_fault(() -> slater_orbital().shape, "property that is not there", :unknown_option, "shape", "terms")
end

function check_orbital_fits(slater)
    series, probe = small_series(), small_probe()
    fit(; keywords...) =
        LocalOrbital(series, probe; start = POSITIONS, model = :rigid, precision = :double, keywords...)
    function fitted(; keywords...)
        recon = fit(; keywords...)
        GC.gc()     # only the keywords held the orbital: the fit has its own
        run!(recon; iterations = 3)
        return present_loss(recon)
    end
    first_loss, other_loss = fitted(), fitted(orbital = slater)
    gaussian = gaussian_orbital([1], [1])
    check("none is the Gaussian", fitted(orbital = nothing) == first_loss == fitted(orbital = gaussian))
    check("a fit with another shape is another one", isfinite(other_loss) && other_loss != first_loss, other_loss)
    check("and keeps its orbital", fitted(orbital = slater_orbital()) == other_loss)
    check("atoms found with it", length(find_atoms(series; fit = (orbital = slater_orbital(),))) > 0)
    check_fault(() -> fit(orbital = :slater), "an orbital by name", :dtype, "Symbol", "orbital")
    check_fault(() -> fit(orbital = probe), "a probe as orbital", :stale_handle, "orbital")
    close(slater)
    check_fault(() -> fit(orbital = slater), "closed orbital", :stale_handle, "closed Orbital")
    check_fault(() -> find_atoms(series; fit = (orbital = slater,)), "closed orbital of a search", :stale_handle)
    check_fault(() -> slater.terms, "terms of a closed orbital", :stale_handle)
end
