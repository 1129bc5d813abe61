# A problem small enough to be made a hundred times: four atoms, three tilts of two foci each.

const ROWS, COLUMNS, PIXEL_SIZE = 24, 20, 0.5
const TILTS, SECTIONS = 3, 2
const IMAGES = TILTS * SECTIONS
const POSITIONS = [-2.1 -1.3 0.4; 1.9 -0.8 -1.7; -0.6 2.2 1.1; 1.2 1.9 -0.3]
const ATOMS = size(POSITIONS, 1)

"Rotation of every image, 3 x 3 x images: tilts of -30, 0 and 30 degrees about y."
function tilt_rotations()
    rotations = zeros(3, 3, IMAGES)
    for k in 1:IMAGES
        angle = deg2rad(30 * ((k - 1) ÷ SECTIONS - 1))
        rotations[:, :, k] = [cos(angle) 0 sin(angle); 0 1 0; -sin(angle) 0 cos(angle)]
    end
    return rotations
end

"The geometry shared by all images of the problem."
geometry_keywords() = (rotations = tilt_rotations(), tilt = [(k - 1) ÷ SECTIONS + 1 for k in 1:IMAGES],
                       section = [(k - 1) % SECTIONS + 1 for k in 1:IMAGES],
                       defocus = [k % 2 == 0 ? 20.0 : -20.0 for k in 1:IMAGES], pixel_size = PIXEL_SIZE)

small_probe() = Probe(energy_ev = 300e3, semiangle_mrad = 20.0)

"Images that the library itself calculates for the atoms."
function calculated_images()
    empty = TiltSeries(zeros(ROWS, COLUMNS, IMAGES); geometry_keywords()...)
    truth = Atoms(POSITIONS; species = 14, heights = ones(ATOMS), widths = fill(0.6, ATOMS))
    return predict(LocalOrbital(empty, small_probe(); start = truth, model = :rigid, precision = :double))
end

const MEASURED = calculated_images()

small_series_of(images; context = default_context()) = TiltSeries(images; context = context, geometry_keywords()...)
small_series(; context = default_context()) = small_series_of(MEASURED; context = context)

small_reconstruction(; context = default_context()) =
    LocalOrbital(small_series(context = context), small_probe(); start = POSITIONS .+ 0.1, model = :rigid,
                 precision = :double, context = context)
