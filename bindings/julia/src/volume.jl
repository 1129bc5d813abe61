"""
    Volume(values, voxel_size; context = default_context())

An immutable volume of cubic voxels. `values[y, x, z]` has its axes as images have them, row along
y, column along x; `voxel_size` is in A. The specimen origin is voxel n ÷ 2 + 1 of each axis.

`volume.values` (a new array of `Float32`), `volume.voxel_size` and `size(volume)` read it,
`write(path, volume)` writes a file. See also [`reconstruct_volume`](@ref), [`read_volume`](@ref) and
[`trace`](@ref).

Throws `AET_ERROR_EMPTY` without voxels, `AET_ERROR_RANGE` for a voxel size that is not positive and
`AET_ERROR_NON_FINITE` for values that are NaN or infinite.
"""
mutable struct Volume <: Handle
    pointer::Ptr{Cvoid}
    Volume(pointer::Ptr{Cvoid}) = finalizer(close, new(pointer))
end

free(::Volume, pointer) = aet_volume_free(pointer)

function Volume(values::AbstractArray{<:Real,3}, voxel_size::Real; context::Context = default_context())
    live(context)
    view = input_view(values, Images)
    return Volume(created(out -> aet_volume_create(context, view, voxel_size, out)))
end

"""
The objects of these types that `call` makes, also where it was cancelled but had something to keep.
"""
function kept(call, types::Tuple, what::AbstractString, progress)
    outs = map(_ -> Ref{Ptr{Cvoid}}(C_NULL), types)
    status = try
        with_progress((report, user) -> call(report, user, outs...), progress)
    catch
        # what the progress function threw ends it all
        foreach((T, out) -> out[] == C_NULL || close(T(out[])), types, outs)
        rethrow()
    end
    first(outs)[] == C_NULL && check(status, what)
    return map((T, out) -> T(out[]), types, outs)
end

kept(call, T::Type, what::AbstractString, progress) = only(kept(call, (T,), what, progress))

"""
    read_volume([progress,] path; name = nothing, voxel_size = 0, context = default_context())

Read an MRC, npy, TIFF, MAT (level 5 and 7.3, Octave's) or HDF5 (EMD) file, as its first bytes tell;
a `voxel_size` (A) other than 0 replaces that of the file, and `name` is that of the variable or the
HDF5 array where there are several. Throws `AET_ERROR_FILE`, `AET_ERROR_FORMAT`,
`AET_ERROR_TRUNCATED`, `AET_ERROR_UNSUPPORTED` and `AET_ERROR_DTYPE` for what are not real numbers,
`AET_ERROR_EMPTY` and `AET_ERROR_INCONSISTENT` where the file has no volume or several, and
`AET_ERROR_NOT_READY` where no voxel size is known.
"""
read_volume(path::AbstractString; keywords...) = read_volume(nothing, path; keywords...)

function read_volume(
    progress,
    path::AbstractString;
    name = nothing,
    voxel_size::Real = 0,
    context::Context = default_context(),
)
    live(context)
    out = Ref{Ptr{Cvoid}}(C_NULL)
    status = with_progress(progress) do report, user
        name === nothing && return aet_volume_read(context, path, voxel_size, report, user, out)
        return aet_volume_read_named(context, path, string(name), voxel_size, report, user, out)
    end
    check(status, "reading $path")
    return Volume(out[])
end

"""
    write([progress,] path, volume::Volume; format = nothing, name = nothing)

Write a file of floats. The ending of the name, or `format`, says which: `:mrc` (.mrc, .map, .rec),
`:npy`, `:tiff` (.tif, .tiff), `:mat5` (.mat), `:mat73` (.mat from 2 GiB on) or `:emd` (.emd, .h5,
.hdf5). `name` is that of the variable or EMD group, `volume` unless given. The arrays of MAT files
are `volume.values`. Throws `AET_ERROR_UNKNOWN_OPTION` for other endings and formats.
"""
function Base.write(progress::Function, path::AbstractString, volume::Volume; format = nothing, name = nothing)
    live(volume)
    status = with_progress(progress) do report, user
        format === name === nothing && return aet_volume_write(volume, path, report, user)
        return aet_volume_write_as(volume, path, optional_text(format), optional_text(name), report, user)
    end
    check(status, "writing $path")
    return nothing
end

Base.write(path::AbstractString, volume::Volume; keywords...) = write(_ -> true, path, volume; keywords...)

"Voxels along y, x and z, the order of `volume.values`."
function Base.size(volume::Volume)
    shape = zeros(Int64, 3)
    check(aet_volume_shape(live(volume), shape))
    return (Int(shape[2]), Int(shape[3]), Int(shape[1]))
end

Base.propertynames(::Volume) = (:values, :voxel_size)

function Base.getproperty(volume::Volume, name::Symbol)
    name === :voxel_size && return aet_volume_voxel_size(live(volume))
    name === :values || throw(unknown_option(name, propertynames(volume)))
    out = zeros(Float32, size(volume))
    check(aet_volume_copy_to(volume, output_view(out, Images)))
    return out
end

Base.show(io::IO, volume::Volume) = isopen(volume) ?
    print(io, "Volume (", join(size(volume), " x "), " voxels of ", volume.voxel_size, " A)") :
    print(io, "Volume (closed)")

"""
    residuals(volume)

What [`reconstruct_volume`](@ref) told of every iteration: the norm of the residual relative to the images, in
the state from which the iteration was made; of `:genfire` and `:est` the method's own error. Empty for
other volumes.
"""
function residuals(volume::Volume)
    out = zeros(aet_volume_residual_count(live(volume)))
    check(aet_volume_copy_residuals(volume, output_view(out)))
    return out
end

"""
    trace([progress,] volume; smoothing, minimum_distance, threshold, max_atoms, species, ...)

The maxima of a volume as [`Atoms`](@ref), the strongest first: Gaussian `smoothing` (voxels, default
1), local maxima with sub-voxel positions, at least `minimum_distance` (A, default two voxels) apart
and above `threshold` (`thresholding = :part` of the 99.9 % quantile, `:value`, or none with
`:histogram`). Further options:

- `method`: `:parabola`, `:polynomial` or `:gaussian`, with `fit_radius` (A) and `anisotropic` (0, 1);
- `support`: a [`Volume`](@ref) that is above 0.5 where atoms may be;
- `added`, `removed`: n x 3 positions (A) of edits by hand, `removal_radius` (A);
- `explain_rounds`, `explain_part`: search what fitted Gaussians leave for weak and close atoms.

Throws `AET_ERROR_EMPTY` where there is none and `AET_ERROR_RANGE` for a minimum distance below two
voxels. See also [`trace_candidates`](@ref).
"""
trace(volume::Volume; keywords...) = trace(nothing, volume; keywords...)

function trace(progress, volume::Volume; keywords...)
    traced = trace_candidates(progress, volume; keywords...)
    close(traced.candidates)
    return traced.atoms
end

"""
    trace_candidates([progress,] volume; ...)

As [`trace`](@ref), but a named tuple `(atoms, candidates)`: `candidates`, a [`Table`](@ref), has a row per
maximum: `x`, `y`, `z`, `height`, `flag` (0 accepted, 1 not a maximum, 2 left its box, 3 too close, 4 not
converged, 5 out of support, 6 removed, 7 added, 8 surplus), `curvature_1` to `_3`, `width_x` to `_z`,
`standard_error_x` to `_z`, `residual`, `round`, `iterations`; its values are `threshold`, `background` and
`noise`.
"""
trace_candidates(volume::Volume; keywords...) = trace_candidates(nothing, volume; keywords...)

function trace_candidates(progress, volume::Volume; keywords...)
    options = with_views(TraceOptions, aet_trace_options_init, keywords)
    live(volume)
    atoms, candidates = (Ref{Ptr{Cvoid}}(C_NULL) for _ in 1:2)
    status = GC.@preserve keywords with_progress(progress) do report, user
        aet_volume_trace(volume, options, report, user, atoms, candidates)
    end
    check(status, "tracing")
    return (atoms = Atoms(atoms[]), candidates = Table(candidates[]))
end

"""
    find_atoms([progress,] series[, probe]; fit = (;), tomography = (;), elements, first_guess, grid_spacing, start,
               support, free, keep_model, keep_orbital, hold_out, minimum_distance, smoothing, threshold, weak,
               split, isolation, max_cycles, fit_iterations)

Find atoms without a model to start from: a volume is traced, local orbitals are fitted to the images, their
heights tell the species, weak and lonely ones are dropped, near ones merged, high ones split, missing ones
added, until next to nothing changes. The model is direct without a probe.

- `fit`: options of [`LocalOrbital`](@ref), a named tuple; `free`: blocks to be fitted, too, `(:drift, :scale)`;
- `keep_model`, `keep_orbital`: use the model and the orbital of `fit` whatever the images say;
- `hold_out`: part of the tilts, at most 0.5, that is held out to tell whether the first guess should move; 0: none;
- `tomography`: those of [`reconstruct_volume`](@ref), a named tuple; without a `method` 20 iterations of SIRT
  without positivity;
- `elements`: atomic numbers of several species, the weakest scatterer first, by default those of the series;
  `species`: that of all atoms;
- `first_guess`: `:volume`, which is traced, or `:grid`, a regular grid of orbitals `grid_spacing` apart (1 A) that
  coarse fits draw to the atoms;
- `defocus_range`: the defocus of every section is looked for this far (A) from the recorded one, and fitted;
- `start`: [`Atoms`](@ref) instead; `support`: a [`Volume`](@ref) above 0.5 where atoms may be;
- `minimum_distance`, `smoothing`, `threshold`, `weak`, `split`, `isolation` (`Inf`: off), `max_cycles`,
  `fit_iterations`: as in `aet_find_options`.

`progress` is a function as in [`run!`](@ref), whose iterations are the cycles; where it ends the work, the atoms
of the last fit are returned. Throws `AET_ERROR_EMPTY` where nothing looks like an atom, and
`AET_ERROR_NOT_READY` for a series in pixels without a `minimum_distance`. See also
[`find_atoms_recorded`](@ref).
"""
find_atoms(series::TiltSeries, probe::Union{Probe,Nothing} = nothing; keywords...) =
    find_atoms(nothing, series, probe; keywords...)

function find_atoms(progress, series::TiltSeries, probe::Union{Probe,Nothing} = nothing; keywords...)
    found = find_atoms_recorded(progress, series, probe; keywords...)
    foreach(close, (found.traced, found.cycles, found.orbital, found.decisions))
    return found.atoms
end

"""
    find_atoms_recorded([progress,] series[, probe]; ...)

As [`find_atoms`](@ref), but a named tuple `(atoms, traced, cycles, orbital, decisions)`: `traced` is the first guess,
and `cycles`, a [`Table`](@ref), has a row per fit: `atoms`, `dropped`, `lonely`, `merged`, `split`, `added`,
`reclassified`, `loss`, `r_factor`; its value `r_factor_traced` is that of the first guess, `model` the number of
the model that followed the images best (`aet_lot_model`), `moved` 0 where held-out images did not bear out what a
fit does to the positions. `orbital`, an [`Orbital`](@ref), is the shape of the atoms in the last fit: heights and
widths belong to it, so give it to the [`LocalOrbital`](@ref) that starts from the atoms. `decisions` has a row per
orbital that came, went or changed: `cycle` (row of `cycles`), `kind` (1 weak, 2 outside, 3 lonely, 4 merged, 5 split,
6 added, 7 reclassified), `orbital`, `x`, `y`, `z`, `height`, `partner`, `ratio`, as in `aet_dataset_find_atoms`.
"""
find_atoms_recorded(series::TiltSeries, probe::Union{Probe,Nothing} = nothing; keywords...) =
    find_atoms_recorded(nothing, series, probe; keywords...)

function find_atoms_recorded(progress, series::TiltSeries, probe::Union{Probe,Nothing} = nothing;
                             fit = NamedTuple(), tomography = NamedTuple(), free = (), keywords...)
    of_fit = set_options!(defaults(LotOptions, aet_lot_options_init), pairs(fit))
    options = with_views(FindOptions, aet_find_options_init, keywords)
    options.raw.fit = Ptr{LotOptions}(pointer_from_objref(of_fit))
    blocks = Vector{UInt8}(join(free isa Union{Symbol,AbstractString} ? (free,) : free, ",") * "\0")
    options.raw.free = pointer(blocks)
    live(series)
    usual = haskey(tomography, :method) ? NamedTuple() : (method = :sirt, iterations = 20, positivity = false)
    atoms, traced, cycles, orbital, decisions = with_tomography((; usual..., tomography...)) do of_volume
        options.raw.tomography = Ptr{TomographyOptions}(pointer_from_objref(of_volume))
        # `of_fit` and `options` point to objects in `fit` and `keywords`
        GC.@preserve fit of_fit keywords blocks begin
            kept((Atoms, Atoms, Table, Orbital, Table), "the search for atoms", progress) do report, user, outs...
                aet_dataset_find_atoms(series, optional_handle(probe), options, report, user, outs...)
            end
        end
    end
    return (atoms = atoms, traced = traced, cycles = cycles, orbital = orbital, decisions = decisions)
end
