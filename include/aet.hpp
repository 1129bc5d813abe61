/// \file aet.hpp
/// The C++17 interface of libaet, header-only: move-only owners (Orbital alone is shared by copies), builders for
/// options, exceptions instead of status codes. Every class holds one handle of aet.h, where the formulas, shapes and
/// errors of each call are described.
///
/// **Units.** Lengths in angstrom, `energy_ev` in eV, `semiangle_mrad` in mrad, `_deg` in degrees, `_pm` in picometres.
/// **Indices** count from 0. **Strings** and paths are UTF-8.
///
/// **Errors.** A failing call throws aet::error with the library's text; nothing is changed by a call that throws.
///
/// **Threads.** A const member may be called from any number of threads at once, another one from a single thread at a
/// time (else aet::error with AET_ERROR_BUSY). The members of TiltSeries that add, replace and exclude tilts may be
/// called from any thread, also while a reconstruction runs on the series.
///
/// **Lifetimes.** Views borrow the host's memory until the call returns. Objects may be destroyed in any order: a
/// reconstruction keeps what it was made from.
#ifndef AET_HPP
#define AET_HPP

#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "aet.h"

namespace aet {

// ---- errors ----------------------------------------------------------------------------------------------------

/// A status code of the library with its text.
class error : public std::runtime_error {
public:
    error(std::int32_t code, const std::string &message) : std::runtime_error(message), code_(code) {}

    /// The status, one of the AET_ERROR_... values, or AET_CANCELLED where a cancelled call has nothing to return.
    std::int32_t code() const noexcept { return code_; }
    /// Name of the status, for example "AET_ERROR_SHAPE".
    const char *name() const noexcept { return aet_status_name(static_cast<aet_status>(code_)); }

private:
    std::int32_t code_;
};

/// Text of the latest failing call on this thread; the address never changes, the text does.
inline const char *last_error_message() noexcept { return aet_last_error_message(); }

// ---- version ---------------------------------------------------------------------------------------------------

/// Version of the library in use: major * 10000 + minor * 100 + patch.
inline std::uint32_t version_number() noexcept { return aet_version_number(); }
/// Version of the library in use as text.
inline std::string version() { return aet_version_string(); }
/// Number of the binary interface; the SO number of the shared library.
inline std::int32_t abi_version() noexcept { return aet_abi_version(); }
/// Size in bytes that the library gives a structure of aet.h, 0 where it knows no such name.
inline std::size_t struct_size(const char *name) noexcept { return aet_struct_size(name); }

// ---- names of choices ------------------------------------------------------------------------------------------

/// Instruction set of the kernels; results are equal to the last bit within one of them.
enum class Simd : std::int32_t {
    automatic = AET_SIMD_AUTOMATIC,
    portable = AET_SIMD_PORTABLE,
    avx2 = AET_SIMD_AVX2,
    avx512 = AET_SIMD_AVX512
};
/// What a long call is doing.
enum class Phase : std::int32_t {
    reading = AET_PHASE_READING,
    planning = AET_PHASE_PLANNING,
    evaluating = AET_PHASE_EVALUATING,
    optimizing = AET_PHASE_OPTIMIZING,
    saving = AET_PHASE_SAVING,
    simulating = AET_PHASE_SIMULATING
};
/// Order of the Euler angles phi, theta, psi.
enum class AngleOrder : std::int32_t {
    zyx = AET_ANGLE_ORDER_ZYX,
    zyz = AET_ANGLE_ORDER_ZYZ,
    xyz = AET_ANGLE_ORDER_XYZ
};
/// Kinds of generated structures; where there are several elements, species are in the order of the formula.
enum class Structure : std::int32_t {
    amorphous = AET_STRUCTURE_AMORPHOUS,
    film = AET_STRUCTURE_FILM,
    simple_cubic = AET_STRUCTURE_SIMPLE_CUBIC,
    face_centred_cubic = AET_STRUCTURE_FACE_CENTRED_CUBIC,
    body_centred_cubic = AET_STRUCTURE_BODY_CENTRED_CUBIC,
    hexagonal_close_packed = AET_STRUCTURE_HEXAGONAL_CLOSE_PACKED,
    diamond = AET_STRUCTURE_DIAMOND,
    rock_salt = AET_STRUCTURE_ROCK_SALT,
    caesium_chloride = AET_STRUCTURE_CAESIUM_CHLORIDE,
    zinc_blende = AET_STRUCTURE_ZINC_BLENDE,
    l10 = AET_STRUCTURE_L10,
    l12 = AET_STRUCTURE_L12,
    spinel = AET_STRUCTURE_SPINEL,
    perovskite = AET_STRUCTURE_PEROVSKITE,
    decahedron = AET_STRUCTURE_DECAHEDRON,
    icosahedron = AET_STRUCTURE_ICOSAHEDRON
};
/// Outer shapes of generated particles.
enum class ParticleShape : std::int32_t {
    ball = AET_PARTICLE_SHAPE_BALL,
    box = AET_PARTICLE_SHAPE_BOX,
    octahedron = AET_PARTICLE_SHAPE_OCTAHEDRON,
    cuboctahedron = AET_PARTICLE_SHAPE_CUBOCTAHEDRON,
    truncated_octahedron = AET_PARTICLE_SHAPE_TRUNCATED_OCTAHEDRON,
    rhombic_dodecahedron = AET_PARTICLE_SHAPE_RHOMBIC_DODECAHEDRON,
    irregular = AET_PARTICLE_SHAPE_IRREGULAR
};
/// Where the support film of a particle lies: behind it as the beam sees it (larger z), or before it.
enum class SupportSide : std::int32_t { none = AET_SUPPORT_NONE, exit = AET_SUPPORT_EXIT, entrance = AET_SUPPORT_ENTRANCE };
/// Axis of a series with a single tilt angle per image.
enum class TiltAxis : std::int32_t { none = AET_TILT_AXIS_NONE, x = AET_TILT_AXIS_X, y = AET_TILT_AXIS_Y };
/// Unit of all lengths of a series; pixels where no pixel size is known.
enum class LengthUnit : std::int32_t { angstrom = AET_LENGTH_UNIT_ANGSTROM, pixel = AET_LENGTH_UNIT_PIXEL };
/// Edge of the probe-forming aperture.
enum class Aperture : std::int32_t { soft = AET_APERTURE_SOFT, hard = AET_APERTURE_HARD };
/// What a detector does with a diffraction pattern.
enum class DetectorKind : std::int32_t {
    annular = AET_DETECTOR_KIND_ANNULAR,
    flexible_annular = AET_DETECTOR_KIND_FLEXIBLE_ANNULAR,
    segmented = AET_DETECTOR_KIND_SEGMENTED,
    pixelated = AET_DETECTOR_KIND_PIXELATED,
    center_of_mass = AET_DETECTOR_KIND_CENTER_OF_MASS
};
/// Order of the pixels of diffraction patterns: zero angle at n / 2, or at 0.
enum class PatternOrder : std::int32_t { centered = AET_PATTERN_ORDER_CENTERED, fft = AET_PATTERN_ORDER_FFT };
/// Probe of the local-orbital model.
enum class Model : std::int32_t {
    direct = AET_LOT_MODEL_DIRECT,
    rigid = AET_LOT_MODEL_RIGID,
    adaptive = AET_LOT_MODEL_ADAPTIVE
};
/// Measure of misfit; automatic is poisson for counts, else mse. anscombe: roots of counts; huber: images with wrong pixels;
/// gaussian: over the noise variance of each image.
enum class Loss : std::int32_t {
    automatic = AET_LOSS_AUTOMATIC,
    mse = AET_LOSS_MSE,
    poisson = AET_LOSS_POISSON,
    anscombe = AET_LOSS_ANSCOMBE,
    huber = AET_LOSS_HUBER,
    gaussian = AET_LOSS_GAUSSIAN
};
/// How an atom is shared out among slices.
enum class Slicing : std::int32_t { linear = AET_SLICING_LINEAR, hard = AET_SLICING_HARD };
/// How the rigid model follows the probe along the beam.
enum class DepthMode : std::int32_t {
    automatic = AET_LOT_MODE_AUTOMATIC,
    slices = AET_LOT_MODE_SLICES,
    templates = AET_LOT_MODE_TEMPLATES,
    knots = AET_LOT_MODE_KNOTS
};
/// Which images share the pixels of the adaptive model's probes.
enum class ProbeSharing : std::int32_t { section = AET_PROBE_SHARING_SECTION, image = AET_PROBE_SHARING_IMAGE };
/// Precision of the kernels; sums and everything that crosses the interface are double.
enum class Precision : std::int32_t { f32 = AET_PRECISION_SINGLE, f64 = AET_PRECISION_DOUBLE };
/// What the values of Orbital::table are: f itself, or the function in space whose integral along the beam is f.
enum class RadialTable : std::int32_t { projected = AET_RADIAL_TABLE_PROJECTED, spatial = AET_RADIAL_TABLE_SPATIAL };
/// Which atoms have one height or width in common.
enum class Sharing : std::int32_t {
    automatic = AET_SHARING_AUTOMATIC,
    atom = AET_SHARING_ATOM,
    species = AET_SHARING_SPECIES,
    common = AET_SHARING_COMMON
};
/// How a run lowers the loss; automatic is lbfgs.
enum class Optimizer : std::int32_t {
    automatic = AET_OPTIMIZER_AUTOMATIC,
    lbfgs = AET_OPTIMIZER_LBFGS,
    gradient_descent = AET_OPTIMIZER_GRADIENT_DESCENT,
    adam = AET_OPTIMIZER_ADAM,
    conjugate_gradient = AET_OPTIMIZER_CONJUGATE_GRADIENT,
    levenberg_marquardt = AET_OPTIMIZER_LEVENBERG_MARQUARDT
};
/// Table of electron scattering factors.
enum class Parametrization : std::int32_t { lobato = AET_PARAMETRIZATION_LOBATO, kirkland = AET_PARAMETRIZATION_KIRKLAND };
/// How atoms are brought onto the pixels of a potential: by their own phase factors, or spread on a finer grid.
enum class Placement : std::int32_t { exact = AET_PLACEMENT_EXACT, gridding = AET_PLACEMENT_GRIDDING };
/// What of an atom a slice gets: all in the slice of the nucleus, or what lies between its faces.
enum class Projection : std::int32_t { infinite = AET_PROJECTION_INFINITE, finite = AET_PROJECTION_FINITE };
/// Which spatial frequencies of waves are kept.
enum class BandLimit : std::int32_t {
    circular = AET_BAND_LIMIT_CIRCULAR,
    square = AET_BAND_LIMIT_SQUARE,
    none = AET_BAND_LIMIT_NONE
};
/// Frequencies of diffraction patterns: those of the window, or finer ones of the padded window.
enum class PatternSampling : std::int32_t {
    window = AET_PATTERN_SAMPLING_WINDOW,
    padded = AET_PATTERN_SAMPLING_PADDED
};
/// How a volume is reconstructed.
enum class TomographyMethod : std::int32_t {
    resire = AET_TOMOGRAPHY_METHOD_RESIRE,
    sirt = AET_TOMOGRAPHY_METHOD_SIRT,
    sart = AET_TOMOGRAPHY_METHOD_SART,
    art = AET_TOMOGRAPHY_METHOD_ART,
    cgls = AET_TOMOGRAPHY_METHOD_CGLS,
    fbp = AET_TOMOGRAPHY_METHOD_FBP,
    wbp = AET_TOMOGRAPHY_METHOD_WBP,
    genfire = AET_TOMOGRAPHY_METHOD_GENFIRE,
    est = AET_TOMOGRAPHY_METHOD_EST,
    resire_fourier = AET_TOMOGRAPHY_METHOD_RESIRE_FOURIER
};
/// What is taken off the images before a volume is reconstructed.
enum class TraceMethod : std::int32_t {
    parabola = AET_TRACE_METHOD_PARABOLA,
    polynomial = AET_TRACE_METHOD_POLYNOMIAL,
    gaussian = AET_TRACE_METHOD_GAUSSIAN
};

/// Column `flag` of the candidates of Volume::trace_candidates.
enum class TraceFlag : std::int32_t {
    accepted = AET_TRACE_FLAG_ACCEPTED,
    not_a_maximum = AET_TRACE_FLAG_NOT_A_MAXIMUM,
    left_its_box = AET_TRACE_FLAG_LEFT_ITS_BOX,
    too_close = AET_TRACE_FLAG_TOO_CLOSE,
    not_converged = AET_TRACE_FLAG_NOT_CONVERGED,
    out_of_support = AET_TRACE_FLAG_OUT_OF_SUPPORT,
    removed = AET_TRACE_FLAG_REMOVED,
    added = AET_TRACE_FLAG_ADDED,
    surplus = AET_TRACE_FLAG_SURPLUS
};

enum class Background : std::int32_t { automatic = AET_BACKGROUND_AUTOMATIC, none = AET_BACKGROUND_NONE };
/// Window on the ramp of filtered back-projection.
enum class RampWindow : std::int32_t {
    ram_lak = AET_RAMP_WINDOW_RAM_LAK,
    shepp_logan = AET_RAMP_WINDOW_SHEPP_LOGAN,
    cosine = AET_RAMP_WINDOW_COSINE,
    hamming = AET_RAMP_WINDOW_HAMMING,
    hann = AET_RAMP_WINDOW_HANN
};
/// Which tilts take part; even (the first, third, ...) and odd are the half sets of Fourier shell correlation.
enum class ViewSubset : std::int32_t {
    all = AET_VIEW_SUBSET_ALL,
    even = AET_VIEW_SUBSET_EVEN,
    odd = AET_VIEW_SUBSET_ODD
};
/// How points of the Fourier space get their values in GENFIRE.
enum class Gridding : std::int32_t { exact = AET_GRIDDING_EXACT, nearest = AET_GRIDDING_NEAREST };
/// Which frequencies GENFIRE imposes in the course of its iterations.
enum class ResolutionSchedule : std::int32_t {
    extension = AET_RESOLUTION_SCHEDULE_EXTENSION,
    off = AET_RESOLUTION_SCHEDULE_OFF,
    suppression = AET_RESOLUTION_SCHEDULE_SUPPRESSION,
    both = AET_RESOLUTION_SCHEDULE_BOTH
};
/// Which iterate GENFIRE and EST return.
enum class Iterate : std::int32_t { best = AET_ITERATE_BEST, last = AET_ITERATE_LAST };
/// Which parameters the error of an atom takes into account.
enum class ErrorMethod : std::int32_t {
    automatic = AET_ESTIMATE_METHOD_AUTOMATIC,
    local = AET_ESTIMATE_METHOD_LOCAL,
    dense = AET_ESTIMATE_METHOD_DENSE
};
/// Where the variance of a pixel's noise is taken from.
enum class NoiseModel : std::int32_t {
    automatic = AET_NOISE_MODEL_AUTOMATIC,
    variance = AET_NOISE_MODEL_VARIANCE,
    counts = AET_NOISE_MODEL_COUNTS,
    residual = AET_NOISE_MODEL_RESIDUAL
};
/// Why a run ended.
enum class Outcome : std::int32_t {
    converged = AET_CONVERGED,
    max_iterations = AET_MAX_ITERATIONS,
    time_limit = AET_TIME_LIMIT,
    cancelled = AET_CANCELLED
};
/// Importance of a log message.
enum class LogLevel : std::int32_t {
    off = AET_LOG_LEVEL_OFF,
    error = AET_LOG_LEVEL_ERROR,
    warning = AET_LOG_LEVEL_WARNING,
    info = AET_LOG_LEVEL_INFO,
    debug = AET_LOG_LEVEL_DEBUG
};

namespace detail {

/// Throws unless the status is AET_OK.
inline void check(aet_status status) {
    if (status == AET_OK) return;
    const auto code = static_cast<std::int32_t>(status);
    // Outcomes are no faults and leave no message.
    if (code < 100) throw error(code, std::string("the call ended with ") + aet_status_name(status));
    std::string text(aet_last_error_copy(nullptr, 0), '\0');
    if (!text.empty()) {
        aet_last_error_copy(&text[0], text.size());
        text.resize(std::strlen(text.c_str()));
    }
    throw error(code, text);
}

/// Outcome of a call that optimises; throws for a fault. Empty for AET_OK: not finished.
inline std::optional<Outcome> outcome(aet_status status) {
    if (static_cast<std::int32_t>(status) >= 100 || status == AET_END) check(status);
    if (status == AET_OK) return std::nullopt;
    return static_cast<Outcome>(static_cast<std::int32_t>(status));
}

template <class T, void (*Free)(T *)>
struct Release {
    void operator()(T *handle) const noexcept { Free(handle); }
};
/// Owner of one handle of the C interface.
template <class T, void (*Free)(T *)>
using Handle = std::unique_ptr<T, Release<T, Free>>;

/// NULL for an empty optional string.
inline const char *or_null(const std::string &text) noexcept { return text.empty() ? nullptr : text.c_str(); }

/// A string of the library: asks for its size, then copies it. `call` takes (buffer, capacity, needed).
template <class Call>
std::string read_text(const Call &call) {
    std::size_t needed = 0;
    check(call(nullptr, 0, &needed));
    std::string text(needed, '\0');
    if (needed == 0) return text;
    check(call(&text[0], text.size(), &needed));
    text.resize(std::strlen(text.c_str()));
    return text;
}

} // namespace detail

// ---- views -----------------------------------------------------------------------------------------------------

/// Element type of the library for a C++ type; undefined for types that cannot cross the interface.
template <class T>
struct Dtype;
template <> struct Dtype<float> : std::integral_constant<std::int32_t, AET_DTYPE_F32> {};
template <> struct Dtype<double> : std::integral_constant<std::int32_t, AET_DTYPE_F64> {};
template <> struct Dtype<std::complex<float>> : std::integral_constant<std::int32_t, AET_DTYPE_C64> {};
template <> struct Dtype<std::complex<double>> : std::integral_constant<std::int32_t, AET_DTYPE_C128> {};
template <> struct Dtype<std::uint8_t> : std::integral_constant<std::int32_t, AET_DTYPE_U8> {};
template <> struct Dtype<std::uint16_t> : std::integral_constant<std::int32_t, AET_DTYPE_U16> {};
template <> struct Dtype<std::uint32_t> : std::integral_constant<std::int32_t, AET_DTYPE_U32> {};
template <> struct Dtype<std::int16_t> : std::integral_constant<std::int32_t, AET_DTYPE_I16> {};
template <> struct Dtype<std::int32_t> : std::integral_constant<std::int32_t, AET_DTYPE_I32> {};

/// Sizes of the logical axes, slowest first in row-major memory.
using Shape = std::vector<std::int64_t>;

/// Order of the elements in memory. The logical axes are the same for both.
enum class Order { row_major, column_major };

namespace detail {

inline std::int32_t rank_of(const Shape &shape) {
    if (shape.size() > 8) {
        throw error(AET_ERROR_SHAPE, "a view has " + std::to_string(shape.size()) + " axes, wanted at most 8");
    }
    return static_cast<std::int32_t>(shape.size());
}

/// A shape for `available` elements; an empty shape means one axis.
inline Shape fitting(Shape shape, std::size_t available) {
    if (shape.empty()) return {static_cast<std::int64_t>(available)};
    std::int64_t wanted = 1;
    for (const std::int64_t size : shape) wanted *= size;
    if (wanted < 0 || static_cast<std::uint64_t>(wanted) != available) {
        throw error(AET_ERROR_SHAPE, "a vector holds " + std::to_string(available) + " elements, its shape wants " +
                                         std::to_string(wanted));
    }
    return shape;
}

inline std::size_t element_count(const Shape &shape) noexcept {
    std::int64_t count = 1;
    for (const std::int64_t size : shape) count *= size;
    return count > 0 ? static_cast<std::size_t>(count) : 0;
}

} // namespace detail

/// Memory of the host that the library fills.
class View {
public:
    template <class T>
    View(T *data, const Shape &shape, Order order = Order::row_major)
        : view_((order == Order::row_major ? aet_view_c : aet_view_f)(data, Dtype<T>::value, detail::rank_of(shape),
                                                                      shape.data())) {}
    template <class T>
    View(std::vector<T> &data, Shape shape = {}, Order order = Order::row_major)
        : View(data.data(), detail::fitting(std::move(shape), data.size()), order) {}
    /// A view with strides of its own, in elements.
    explicit View(const aet_view &view) noexcept : view_(view) {}

    const aet_view *get() const noexcept { return &view_; }

private:
    aet_view view_;
};

/// Memory of the host that the library reads.
class ConstView {
public:
    template <class T>
    ConstView(const T *data, const Shape &shape, Order order = Order::row_major)
        : view_((order == Order::row_major ? aet_const_view_c : aet_const_view_f)(
              data, Dtype<T>::value, detail::rank_of(shape), shape.data())) {}
    template <class T>
    ConstView(const std::vector<T> &data, Shape shape = {}, Order order = Order::row_major)
        : ConstView(data.data(), detail::fitting(std::move(shape), data.size()), order) {}
    /// A view borrows: a temporary would be gone before the call.
    template <class T>
    ConstView(const std::vector<T> &&data, Shape shape = {}, Order order = Order::row_major) = delete;
    /// A view with strides of its own, in elements; negative and zero strides are allowed.
    explicit ConstView(const aet_const_view &view) noexcept : view_(view) {}

    const aet_const_view *get() const noexcept { return &view_; }

    /// The same memory with one axis of size 1 in front of a single image [rows, columns]; others unchanged.
    ConstView as_stack() const noexcept {
        aet_const_view stack = view_;
        if (view_.ndim != 2) return *this;
        stack.ndim = 3;
        for (int axis = 2; axis > 0; --axis) {
            stack.shape[axis] = view_.shape[axis - 1];
            stack.strides[axis] = view_.strides[axis - 1];
        }
        stack.shape[0] = 1;
        stack.strides[0] = view_.shape[0] * view_.shape[1];
        return ConstView(stack);
    }

private:
    aet_const_view view_;
};

// ---- progress and log ------------------------------------------------------------------------------------------

/// State of a long call, as its progress function sees it.
class Progress {
public:
    explicit Progress(const aet_progress &progress) noexcept {
        // An older library fills a shorter structure.
        std::memcpy(&raw_, &progress, std::min(progress.struct_size, sizeof raw_));
        phase = static_cast<Phase>(raw_.phase);
        iteration = raw_.iteration;
        max_iterations = raw_.max_iterations;
        evaluations = raw_.evaluations;
        loss = raw_.loss;
        gradient_norm = raw_.gradient_norm;
        r_factor = raw_.r_factor;
        seconds = raw_.seconds;
        tilt = raw_.tilt;
        tilts = raw_.tilts;
        configuration = raw_.configuration;
        configurations = raw_.configurations;
        probe = raw_.probe;
        probes = raw_.probes;
    }

    Phase phase = Phase::reading;
    std::int32_t iteration = 0;
    std::int32_t max_iterations = 0;
    /// Passes over all images so far.
    std::int64_t evaluations = 0;
    double loss = 0;
    double gradient_norm = 0;
    double r_factor = 0;
    /// Time since the call began, s.
    double seconds = 0;
    /// Simulated series: tilt and configuration at work, counted from 0, and probes finished, those of earlier calls among
    /// them. In other calls all six are 0.
    std::int64_t tilt = 0, tilts = 0;
    std::int64_t configuration = 0, configurations = 0;
    std::int64_t probe = 0, probes = 0;
    /// Part of the work done, 0 to 1.
    double fraction() const noexcept { return raw_.fraction; }

private:
    aet_progress raw_{};
};

/// Called on the calling thread, at most about ten times a second and once per step; false cancels the call, the best
/// state is kept. An exception cancels too and is thrown again when the call has returned.
using ProgressFunction = std::function<bool(const Progress &)>;
/// Receives log messages on the thread of a library call. Must not throw; an exception is dropped.
using LogFunction = std::function<void(LogLevel, const char *message)>;

namespace detail {

/// Carries a progress function through a C call, and the exception it threw back out of it.
class Observer {
public:
    explicit Observer(const ProgressFunction &function) noexcept : function_(function) {}

    aet_progress_fn function() const noexcept { return function_ ? &Observer::call : nullptr; }
    void *user() noexcept { return this; }
    /// The status of the call, unless the progress function threw.
    aet_status finish(aet_status status) {
        if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
        return status;
    }

private:
    static std::int32_t call(void *user, const aet_progress *progress) noexcept {
        auto &self = *static_cast<Observer *>(user);
        try {
            return self.function_(Progress(*progress)) ? 0 : 1;
        } catch (...) {
            self.thrown_ = std::current_exception();
            return 1;
        }
    }

    const ProgressFunction &function_;
    std::exception_ptr thrown_;
};

/// What a function of the host threw inside a term or projection; those run on the thread that called the library.
inline std::exception_ptr &thrown_by_host() noexcept {
    static thread_local std::exception_ptr thrown;
    return thrown;
}

/// The status of a call, unless a term or projection threw in it.
inline aet_status unless_thrown(aet_status status) {
    if (auto &thrown = thrown_by_host()) std::rethrow_exception(std::exchange(thrown, nullptr));
    return status;
}

/// The log function in use: shared, so that a message under way on another thread outlives its replacement.
class LogSlot {
public:
    static LogSlot &instance() {
        static LogSlot slot;
        return slot;
    }
    void replace(std::shared_ptr<const LogFunction> function) {
        const std::lock_guard<std::mutex> guard(mutex_);
        function_.swap(function);
    }
    static void call(void *user, std::int32_t level, const char *message) noexcept {
        auto &slot = *static_cast<LogSlot *>(user);
        try {
            std::shared_ptr<const LogFunction> function;
            {
                const std::lock_guard<std::mutex> guard(slot.mutex_);
                function = slot.function_;
            }
            if (function && *function) (*function)(static_cast<LogLevel>(level), message);
        } catch (...) { // Must not travel through the library.
        }
    }

private:
    std::mutex mutex_;
    std::shared_ptr<const LogFunction> function_;
};

} // namespace detail

/// Sends log messages up to `level` to `function`, for the whole process; LogLevel::off (the start) is silence.
inline void set_log(LogLevel level, LogFunction function = {}) {
    auto &slot = detail::LogSlot::instance();
    const bool listens = static_cast<bool>(function);
    slot.replace(std::make_shared<const LogFunction>(std::move(function)));
    detail::check(aet_log_set(static_cast<std::int32_t>(level), listens ? &detail::LogSlot::call : nullptr, &slot));
}

// ---- context ---------------------------------------------------------------------------------------------------

/// Number of threads; 0: the environment's AET_NUM_THREADS, then one per core.
struct Threads {
    std::int32_t count = 0;
};

/// Thread pool and cancellation shared by the objects made in it.
class Context {
public:
    class Options {
    public:
        Options() { detail::check(aet_context_options_init(&raw_, sizeof raw_)); }
        Options &threads(std::int32_t count) noexcept { return raw_.threads = count, *this; }
        Options &simd(Simd path) noexcept { return raw_.simd = static_cast<std::int32_t>(path), *this; }
        const aet_context_options *get() const noexcept { return &raw_; }

    private:
        aet_context_options raw_{};
    };

    Context() : Context(Options{}) {}
    explicit Context(Threads threads) : Context(Options{}.threads(threads.count)) {}
    explicit Context(const Options &options) {
        aet_context *created = nullptr;
        detail::check(aet_context_create(options.get(), &created));
        handle_.reset(created);
    }

    std::int32_t threads() const noexcept { return aet_context_threads(get()); }
    /// Instruction set in use, never automatic.
    Simd simd() const noexcept { return static_cast<Simd>(aet_context_simd(get())); }
    /// Ends the long call in progress within a second, best state kept. Any thread, also a signal handler.
    void request_cancel() const noexcept { aet_context_request_cancel(get()); }
    aet_context *get() const noexcept { return handle_.get(); }

private:
    detail::Handle<aet_context, aet_context_free> handle_;
};

// ---- tables ----------------------------------------------------------------------------------------------------

/// An immutable table of results: named columns of doubles, one value per row, and single named values of the whole. What
/// is not known is NaN; codes are whole numbers. Columns of the unit "index" count from 0.
class Table {
public:
    /// What a column or a single value is called, and its unit, which is empty for counts, codes and ratios.
    struct Quantity {
        std::string name, unit;
    };

    /// Takes over a handle of the C interface.
    explicit Table(aet_table *owned) noexcept : handle_(owned) {}

    std::int64_t rows() const noexcept { return aet_table_row_count(get()); }
    /// The columns in their order.
    std::vector<Quantity> columns() const {
        return quantities(aet_table_column_count(get()), aet_table_column_name, aet_table_column_unit);
    }
    /// The column `name` [rows]; AET_ERROR_UNKNOWN_OPTION names the columns there are.
    std::vector<double> column(const std::string &name) const {
        std::vector<double> values(static_cast<std::size_t>(rows()));
        copy_column(name, View(values));
        return values;
    }
    /// The same into a view [rows] of any real element type that holds the values.
    void copy_column(const std::string &name, const View &out) const {
        detail::check(aet_table_copy_column(get(), name.c_str(), out.get()));
    }
    /// The single values in their order.
    std::vector<Quantity> values() const {
        return quantities(aet_table_value_count(get()), aet_table_value_name, aet_table_value_unit);
    }
    /// The single value `name`; AET_ERROR_UNKNOWN_OPTION names those there are.
    double value(const std::string &name) const {
        double value = 0;
        detail::check(aet_table_value(get(), name.c_str(), &value));
        return value;
    }
    /// Columns lower, upper and count over equal bins of a column; with `by`, also count_c for every value c of that
    /// column. `bins` 0: automatic.
    Table histogram(const std::string &column, const std::string &by = {}, std::int64_t bins = 0) const {
        aet_table *created = nullptr;
        detail::check(aet_table_histogram(get(), column.c_str(), detail::or_null(by), bins, &created));
        return Table(created);
    }
    /// Of a table of aet::accuracy: errors of position and of tracing in bins [k width, (k + 1) width) of a column such as
    /// depth (the papers take 4 A) or surface_distance, with the numbers of a box plot. See aet_table_error_profile.
    Table error_profile(const std::string &column, double width = 4) const {
        aet_table *created = nullptr;
        detail::check(aet_table_error_profile(get(), column.c_str(), width, &created));
        return Table(created);
    }
    /// Of a table of aet::accuracy: histograms of errors, one per bin of a column, all over the same `bins`; 0: automatic.
    /// See aet_table_error_histogram.
    Table error_histogram(const std::string &column, double width = 4, std::int64_t bins = 0) const {
        aet_table *created = nullptr;
        detail::check(aet_table_error_histogram(get(), column.c_str(), width, bins, &created));
        return Table(created);
    }
    /// Of a table of aet::accuracy: a row per true species and one of extra atoms, a column per found species and
    /// missing. See aet_table_confusion.
    Table confusion() const {
        aet_table *created = nullptr;
        detail::check(aet_table_confusion(get(), &created));
        return Table(created);
    }
    /// Writes text: single values as comments, names and units, then one line per row, columns between commas.
    void write(const std::string &path) const { detail::check(aet_table_write(get(), path.c_str())); }

    aet_table *get() const noexcept { return handle_.get(); }

private:
    template <class Text>
    std::vector<Quantity> quantities(std::int64_t count, Text name, Text unit) const {
        std::vector<Quantity> found;
        for (std::int64_t i = 0; i < count; ++i) {
            const auto text = [&](Text of) {
                return detail::read_text([&](char *buffer, std::size_t capacity, std::size_t *needed) {
                    return of(get(), i, buffer, capacity, needed);
                });
            };
            found.push_back({text(name), text(unit)});
        }
        return found;
    }

    detail::Handle<aet_table, aet_table_free> handle_;
};

// ---- atoms -----------------------------------------------------------------------------------------------------

/// Result of comparing two lists of atoms: counts, RMSD in pm in total and per axis, the common shift removed (A).
using Comparison = aet_comparison;

/// Two atoms and their distance, A.
struct ClosePair {
    std::int64_t first;
    std::int64_t second;
    double distance;
};

/// An immutable list of atoms; the origin of the specimen is 0, or a corner of the cell where there is one.
/// What Atoms::generate makes; 0: automatic or none. Lengths in A. See aet_structure_options.
class StructureOptions {
public:
    explicit StructureOptions(Structure structure) {
        detail::check(aet_structure_options_init(&raw_, sizeof raw_));
        raw_.structure = static_cast<std::int32_t>(structure);
    }
    /// A particle of the papers: m0 to m8, cuau, bao.
    static StructureOptions preset(const std::string &name) {
        StructureOptions options(Structure::amorphous);
        detail::check(aet_structure_options_preset(&options.raw_, sizeof options.raw_, name.c_str()));
        return options;
    }
    /// Atomic numbers in the order of the formula.
    StructureOptions &species(std::int32_t first, std::int32_t second = 0, std::int32_t third = 0) noexcept {
        return set(raw_.species, first, second, third);
    }
    StructureOptions &shape(ParticleShape shape) noexcept {
        return raw_.shape = static_cast<std::int32_t>(shape), *this;
    }
    /// Edges of a box; of a film two periods and the thickness.
    StructureOptions &extent(double x, double y, double z) noexcept { return set(raw_.extent, x, y, z); }
    /// Distance of opposite faces, or diameter.
    StructureOptions &width(double value) noexcept { return raw_.width = value, *this; }
    /// Atoms in all.
    StructureOptions &count(std::int64_t value) noexcept { return raw_.count = value, *this; }
    /// Atoms of each element.
    StructureOptions &species_counts(std::int64_t first, std::int64_t second = 0, std::int64_t third = 0) noexcept {
        return set(raw_.species_counts, first, second, third);
    }
    /// Complete formula units only.
    StructureOptions &stoichiometric(bool value) noexcept { return raw_.stoichiometric = value, *this; }
    /// g / cm^3 of the first element.
    StructureOptions &density(double value) noexcept { return raw_.density = value, *this; }
    StructureOptions &minimum_distance(double value) noexcept { return raw_.minimum_distance = value, *this; }
    /// The nearest neighbour of every atom is within it.
    StructureOptions &maximum_distance(double value) noexcept { return raw_.maximum_distance = value, *this; }
    StructureOptions &lattice_a(double value) noexcept { return raw_.lattice_a = value, *this; }
    StructureOptions &lattice_c(double value) noexcept { return raw_.lattice_c = value, *this; }
    /// Coordinate u of the anions of a spinel.
    StructureOptions &anion_parameter(double value) noexcept { return raw_.anion_parameter = value, *this; }
    /// The point of the cell, in fractions, at the centre of the particle.
    StructureOptions &lattice_origin(double x, double y, double z) noexcept { return set(raw_.lattice_origin, x, y, z); }
    /// Rms variation of the radius of an irregular shape.
    StructureOptions &roughness(double value) noexcept { return raw_.roughness = value, *this; }
    /// Icosahedron: shells; decahedron: p, q and r.
    StructureOptions &shells(std::int32_t p, std::int32_t q = 0, std::int32_t r = 0) noexcept {
        return set(raw_.shells, p, q, r);
    }
    /// Rotation about the centre, degrees.
    StructureOptions &rotation(double phi, double theta, double psi, AngleOrder order = AngleOrder::zyx) noexcept {
        raw_.angle_order = static_cast<std::int32_t>(order);
        return set(raw_.angles_deg, phi, theta, psi);
    }
    StructureOptions &center(double x, double y, double z) noexcept { return set(raw_.center, x, y, z); }
    /// Rms per axis.
    StructureOptions &displacement(double value) noexcept { return raw_.displacement = value, *this; }
    /// Part of the atoms.
    StructureOptions &vacancies(double value) noexcept { return raw_.vacancies = value, *this; }
    /// Replaces a part of the atoms by another element.
    StructureOptions &substitution(double part, std::int32_t species) noexcept {
        return raw_.substitution = part, raw_.substitute = species, *this;
    }
    /// The atoms inside the alpha shape of this shrink factor become another element; 0: 0.9.
    StructureOptions &core(std::int32_t species, double shrink = 0) noexcept {
        return raw_.core_species = species, raw_.core_shrink = shrink, *this;
    }
    /// A film of amorphous carbon.
    StructureOptions &support(SupportSide side, double thickness, double x, double y) noexcept {
        raw_.support = static_cast<std::int32_t>(side);
        raw_.support_thickness = thickness;
        raw_.support_extent[0] = x;
        return raw_.support_extent[1] = y, *this;
    }
    StructureOptions &seed(std::uint64_t value) noexcept { return raw_.seed = value, *this; }
    const aet_structure_options *get() const noexcept { return &raw_; }

private:
    template <class T>
    StructureOptions &set(T (&member)[3], T first, T second, T third) noexcept {
        return member[0] = first, member[1] = second, member[2] = third, *this;
    }

    aet_structure_options raw_{};
};

/// An immutable list of atoms; the origin of the specimen is 0.
class Atoms {
public:
    /// (x, y, z), A.
    using Vector = std::array<double, 3>;
    /// Rows first.
    using Matrix = std::array<std::array<double, 3>, 3>;

    /// What is known of the atoms besides their positions. Views must live until the atoms are made.
    class Options {
    public:
        /// Atomic numbers [n], integers.
        Options &species(const ConstView &values) noexcept { return species_ = values, *this; }
        /// Heights H [n] in image units.
        Options &heights(const ConstView &values) noexcept { return heights_ = values, *this; }
        /// Widths B [n], A^2, of H exp(-rho^2 / B).
        Options &widths(const ConstView &values) noexcept { return widths_ = values, *this; }

    private:
        friend class Atoms;
        std::optional<ConstView> species_, heights_, widths_;
    };

    class CompareOptions {
    public:
        CompareOptions() { detail::check(aet_compare_options_init(&raw_, sizeof raw_)); }
        /// Largest distance of a matched pair, A; 0: 0.9 A.
        CompareOptions &cutoff(double distance) noexcept { return raw_.cutoff = distance, *this; }
        /// Also removes a common rotation, for series whose angles were refined.
        CompareOptions &remove_rotation(bool remove) noexcept { return raw_.remove_rotation = remove, *this; }
        const aet_compare_options *get() const noexcept { return &raw_; }

    private:
        aet_compare_options raw_{};
    };

    /// From positions [n, 3], A.
    explicit Atoms(const ConstView &positions, const Options &options = Options()) {
        const auto column = [](const std::optional<ConstView> &view) { return view ? view->get() : nullptr; };
        aet_atoms *created = nullptr;
        detail::check(aet_atoms_create(positions.get(), column(options.species_), column(options.heights_),
                                       column(options.widths_), &created));
        handle_.reset(created);
    }
    /// Takes over a handle of the C interface.
    explicit Atoms(aet_atoms *owned) noexcept : handle_(owned) {}

    /// Reads extended xyz, CIF, POSCAR, LAMMPS data or PDB, as the ending of the name tells.
    static Atoms read(const std::string &path) {
        return made([&](aet_atoms **created) { return aet_atoms_read(path.c_str(), created); });
    }
    /// The same for files of any name: xyz, cif, poscar, lammps or pdb.
    static Atoms read(const std::string &path, const std::string &format) {
        return made([&](aet_atoms **created) { return aet_atoms_read_as(path.c_str(), format.c_str(), created); });
    }
    /// Writes the format that the ending of the name tells.
    /// Generated atoms; see aet_structure_options. `progress` may be empty.
    static Atoms generate(const StructureOptions &options, const ProgressFunction &progress = {}) {
        detail::Observer observer(progress);
        aet_atoms *created = nullptr;
        const aet_status status =
            aet_atoms_generate(options.get(), observer.function(), observer.user(), &created);
        Atoms atoms(created); // owns it before anything is thrown
        detail::check(observer.finish(status));
        return atoms;
    }
    /// Writes extended xyz.
    void write(const std::string &path) const { detail::check(aet_atoms_write(get(), path.c_str())); }
    /// The same for files of any name: xyz, cif, poscar, lammps or pdb.
    void write(const std::string &path, const std::string &format) const {
        detail::check(aet_atoms_write_as(get(), path.c_str(), format.c_str()));
    }

    std::int64_t size() const noexcept { return aet_atoms_count(get()); }
    /// Positions [n, 3], row-major, A.
    std::vector<double> positions() const { return column("positions"); }
    /// A column by name: positions, standard_error [n, 3]; x, y, z, species, height, width, occupancy, probability,
    /// debye_waller_b, debye_waller_u, rms_displacement [n]. NaN where not known.
    template <class T = double>
    std::vector<T> column(const std::string &name) const {
        const bool is_triple = name == "positions" || name == "standard_error";
        const Shape shape = is_triple ? Shape{size(), 3} : Shape{size()};
        std::vector<T> values(detail::element_count(shape));
        copy_column(name, View(values, shape));
        return values;
    }
    /// The same into memory of the host.
    void copy_column(const std::string &name, const View &out) const {
        detail::check(aet_atoms_copy_column(get(), name.c_str(), out.get()));
    }

    /// Matches mutually nearest atoms after removing the common shift. `errors` receives [size, 3] in A, found minus
    /// true, NaN where unmatched.
    Comparison compare(const Atoms &truth, const CompareOptions &options = CompareOptions(),
                       std::vector<double> *errors = nullptr) const {
        Comparison comparison{};
        comparison.struct_size = sizeof comparison;
        if (errors == nullptr) {
            detail::check(aet_atoms_compare(get(), truth.get(), options.get(), &comparison, nullptr));
            return comparison;
        }
        errors->resize(3 * static_cast<std::size_t>(size()));
        const View out(*errors, {size(), 3});
        detail::check(aet_atoms_compare(get(), truth.get(), options.get(), &comparison, out.get()));
        return comparison;
    }

    /// The atoms with a column [n] or [n, 3] set.
    Atoms with_column(const std::string &name, const ConstView &values) const {
        return changed(aet_atoms_with_column, name.c_str(), values.get());
    }
    /// The atoms with a column of one number per atom set from values [k] of the elements `species` [k].
    Atoms with_element_values(const std::string &name, const ConstView &species, const ConstView &values) const {
        return changed(aet_atoms_with_element_values, name.c_str(), species.get(), values.get());
    }
    /// The atoms in an orthogonal cell with these edges and a corner at 0.
    Atoms with_cell(const Vector &cell) const { return changed(aet_atoms_with_cell, view(cell).get()); }
    Atoms without_cell() const { return changed(aet_atoms_with_cell, nullptr); }
    /// Edges of the cell, where there is one.
    std::optional<Vector> cell() const {
        Vector edges{};
        detail::check(aet_atoms_copy_cell(get(), View(edges.data(), {3}).get()));
        return std::isnan(edges[0]) ? std::nullopt : std::make_optional(edges);
    }
    /// The atoms at R p, without cell.
    Atoms rotate(const Matrix &rotation) const {
        return changed(aet_atoms_rotate, ConstView(rotation[0].data(), {3, 3}).get());
    }
    Atoms shift(const Vector &by) const { return changed(aet_atoms_shift, view(by).get()); }
    /// The atoms shifted into a cell of these edges: the origin of the specimen goes to its middle, or, with
    /// `center_atoms`, the middle between the outermost atoms.
    Atoms place_in_cell(const Vector &extent, bool center_atoms = false) const {
        return changed(aet_atoms_place_in_cell, view(extent).get(), nullptr, center_atoms);
    }
    /// The same in a cell that leaves this vacuum on both sides.
    Atoms surround_with(const Vector &vacuum, bool center_atoms = false) const {
        return changed(aet_atoms_place_in_cell, nullptr, view(vacuum).get(), center_atoms);
    }
    /// The atoms folded into the cell along x and y, with `periodic_z` also along z.
    Atoms wrap(bool periodic_z = false) const { return changed(aet_atoms_wrap, periodic_z); }
    /// The atoms with from <= p < to along axis 0 (x), 1 (y) or 2 (z).
    Atoms cut_slab(std::int32_t axis, double from, double to) const {
        return changed(aet_atoms_cut_slab, axis, from, to);
    }
    /// The atoms of these indices, from 0.
    Atoms subset(const std::vector<std::int64_t> &indices) const {
        return changed(aet_atoms_subset, indices.data(), static_cast<std::int64_t>(indices.size()));
    }
    /// Copies of the cell side by side, in one cell.
    Atoms repeat(std::int64_t nx, std::int64_t ny, std::int64_t nz) const {
        return changed(aet_atoms_repeat, nx, ny, nz);
    }
    /// The atoms in configuration `number`, from 0, of the frozen phonons of a seed: displaced as their Debye-Waller factors
    /// tell, and without these.
    Atoms displaced(std::int64_t seed, std::int64_t number) const {
        return changed(aet_atoms_displace, seed, number);
    }
    /// These atoms and then those of `other`.
    Atoms merge(const Atoms &other) const { return changed(aet_atoms_merge, other.get()); }
    /// Pairs of atoms nearer than `distance`, A; across the faces of the cell along x and y, with `periodic_z` also z.
    std::vector<ClosePair> close_pairs(double distance, bool periodic_z = false) const {
        std::int64_t count = 0;
        detail::check(aet_atoms_close_pairs(get(), distance, periodic_z, nullptr, nullptr, &count));
        std::vector<std::int32_t> indices(2 * static_cast<std::size_t>(count));
        std::vector<double> distances(static_cast<std::size_t>(count));
        if (count > 0) {
            const View pairs(indices, {count, 2}), gaps(distances);
            detail::check(aet_atoms_close_pairs(get(), distance, periodic_z, pairs.get(), gaps.get(), &count));
        }
        std::vector<ClosePair> found(distances.size());
        for (std::size_t i = 0; i < found.size(); ++i) found[i] = {indices[2 * i], indices[2 * i + 1], distances[i]};
        return found;
    }

    aet_atoms *get() const noexcept { return handle_.get(); }

private:
    static ConstView view(const Vector &vector) { return ConstView(vector.data(), {3}); }
    /// The list that a function of the C interface creates.
    template <class Make>
    static Atoms made(const Make &make) {
        aet_atoms *created = nullptr;
        detail::check(make(&created));
        return Atoms(created);
    }
    template <class Change, class... Arguments>
    Atoms changed(Change change, Arguments... arguments) const {
        return made([&](aet_atoms **created) { return change(get(), arguments..., created); });
    }

    detail::Handle<aet_atoms, aet_atoms_free> handle_;
};

/// What became of an atom: the numbers in the column state of aet::accuracy.
enum class AtomState : std::int32_t {
    correct = AET_ATOM_STATE_CORRECT,
    wrong_species = AET_ATOM_STATE_WRONG_SPECIES,
    extra = AET_ATOM_STATE_EXTRA,
    missing = AET_ATOM_STATE_MISSING
};

/// Options of aet::accuracy; 0 is automatic.
class AccuracyOptions {
public:
    AccuracyOptions() { detail::check(aet_accuracy_options_init(&raw_, sizeof raw_)); }
    /// Largest distance of a matched pair, A; 0: 0.9 A.
    AccuracyOptions &cutoff(double distance) noexcept { return raw_.cutoff = distance, *this; }
    /// The depth of an atom at p is a . p; all 0: z.
    AccuracyOptions &depth_axis(double x, double y, double z) noexcept {
        raw_.depth_axis[0] = x, raw_.depth_axis[1] = y, raw_.depth_axis[2] = z;
        return *this;
    }
    /// Radius of the ball that tells the surface, A; 0: twice the median distance of nearest neighbours.
    AccuracyOptions &probe_radius(double radius) noexcept { return raw_.probe_radius = radius, *this; }
    const aet_accuracy_options *get() const noexcept { return &raw_; }

private:
    aet_accuracy_options raw_{};
};

/// Found atoms beside the true ones: a row per found atom and then per missing one, with state, errors (pm), depth and
/// distance to the surface (A). See aet_atoms_accuracy, Table::error_profile and Table::confusion.
inline Table accuracy(const Context &context, const Atoms &found, const Atoms &truth,
                      const AccuracyOptions &options = AccuracyOptions(), const ProgressFunction &progress = {}) {
    detail::Observer observer(progress);
    aet_table *created = nullptr;
    detail::check(observer.finish(aet_atoms_accuracy(context.get(), found.get(), truth.get(), options.get(),
                                                     observer.function(), observer.user(), &created)));
    return Table(created);
}

/// Lines through the errors `rmsd` (pm) of models of `atoms` atoms: slopes (pm per million atoms), intercept, numbers of
/// atoms at `limit` pm; 0: 10. See aet_rmsd_trend.
inline Table rmsd_trend(const std::vector<double> &atoms, const std::vector<double> &rmsd, double limit = 0) {
    aet_table *created = nullptr;
    detail::check(aet_rmsd_trend(ConstView(atoms).get(), ConstView(rmsd).get(), limit, &created));
    return Table(created);
}

// ---- probe -----------------------------------------------------------------------------------------------------

/// An immutable probe of the microscope.
class Probe {
public:
    /// Aberration coefficients C_nm in A with their angles phi_nm in rad, abTEM's notation; C10 = -defocus.
    class Options {
    public:
        Options() { detail::check(aet_probe_options_init(&raw_, sizeof raw_)); }
        Options &energy_ev(double value) noexcept { return raw_.energy_ev = value, *this; }
        Options &semiangle_mrad(double value) noexcept { return raw_.semiangle_mrad = value, *this; }
        /// A; positive: crossover at +defocus along the beam, measured from the specimen origin.
        Options &defocus(double value) noexcept { return raw_.defocus = value, *this; }
        Options &c12(double value, double phi) noexcept { return raw_.c12 = value, raw_.phi12 = phi, *this; }
        Options &c21(double value, double phi) noexcept { return raw_.c21 = value, raw_.phi21 = phi, *this; }
        Options &c23(double value, double phi) noexcept { return raw_.c23 = value, raw_.phi23 = phi, *this; }
        Options &c30(double value) noexcept { return raw_.c30 = value, *this; }
        Options &c32(double value, double phi) noexcept { return raw_.c32 = value, raw_.phi32 = phi, *this; }
        Options &c34(double value, double phi) noexcept { return raw_.c34 = value, raw_.phi34 = phi, *this; }
        Options &c41(double value, double phi) noexcept { return raw_.c41 = value, raw_.phi41 = phi, *this; }
        Options &c43(double value, double phi) noexcept { return raw_.c43 = value, raw_.phi43 = phi, *this; }
        Options &c45(double value, double phi) noexcept { return raw_.c45 = value, raw_.phi45 = phi, *this; }
        Options &c50(double value) noexcept { return raw_.c50 = value, *this; }
        Options &c52(double value, double phi) noexcept { return raw_.c52 = value, raw_.phi52 = phi, *this; }
        Options &c54(double value, double phi) noexcept { return raw_.c54 = value, raw_.phi54 = phi, *this; }
        Options &c56(double value, double phi) noexcept { return raw_.c56 = value, raw_.phi56 = phi, *this; }
        /// Gaussian sigma of the source, A.
        Options &source_size(double sigma) noexcept { return raw_.source_size = sigma, *this; }
        Options &aperture(Aperture edge) noexcept {
            return raw_.aperture = static_cast<std::int32_t>(edge), *this;
        }
        const aet_probe_options *get() const noexcept { return &raw_; }

    private:
        aet_probe_options raw_{};
    };

    explicit Probe(const Options &options) {
        aet_probe *created = nullptr;
        detail::check(aet_probe_create(options.get(), &created));
        handle_.reset(created);
    }
    /// An aberration-free probe of a beam energy (eV) and a convergence semi-angle (mrad).
    Probe(double energy_ev, double semiangle_mrad)
        : Probe(Options{}.energy_ev(energy_ev).semiangle_mrad(semiangle_mrad)) {}

    /// A.
    double wavelength() const noexcept { return aet_probe_wavelength(get()); }
    double energy_ev() const noexcept { return aet_probe_energy_ev(get()); }
    double semiangle_mrad() const noexcept { return aet_probe_semiangle_mrad(get()); }
    /// A.
    double defocus() const noexcept { return aet_probe_defocus(get()); }
    /// 2 lambda / alpha^2, A.
    double depth_of_field() const noexcept { return aet_probe_depth_of_field(get()); }

    /// The wave at `depth` along the beam with the probe at (x, y), all A, into a complex view [rows, columns]; the
    /// origin is pixel n / 2.
    void wave(double pixel_size, double depth, double x, double y, const View &out) const {
        detail::check(aet_probe_wave(get(), pixel_size, depth, x, y, out.get()));
    }
    /// The intensity at `depth`, A, into a real view [rows, columns]; it sums to 1.
    void intensity(double pixel_size, double depth, const View &out) const {
        detail::check(aet_probe_intensity(get(), pixel_size, depth, out.get()));
    }

    aet_probe *get() const noexcept { return handle_.get(); }

private:
    detail::Handle<aet_probe, aet_probe_free> handle_;
};

// ---- orbital ---------------------------------------------------------------------------------------------------

/// The shape f of local orbitals H f(rho / sqrt(B)), a sum of Gaussian terms f(q) = sum_t w_t exp(-q^2 / s_t). It never
/// changes: copies share one orbital, which lives as long as one of them, and none is ever empty.
class Orbital {
public:
    /// One Gaussian term w exp(-q^2 / s); s in units of B.
    struct Term {
        double weight, width;
    };

    /// From the weights w [n] and widths s [n] of 1 to 12 terms.
    static Orbital gaussians(const ConstView &weights, const ConstView &widths) {
        aet_orbital *created = nullptr;
        detail::check(aet_orbital_create_gaussians(weights.get(), widths.get(), &created));
        return Orbital(created);
    }
    /// The projection of the Slater function exp(-r / a), B = 8 a^2, within `tolerance` of its largest value; 0: 1e-3.
    static Orbital slater(double tolerance = 0) {
        aet_orbital *created = nullptr;
        detail::check(aet_orbital_create_slater(tolerance, &created));
        return Orbital(created);
    }
    /// From `values` [n] at `radii` [n], in units of sqrt(B), from 0 to where the function has fallen to a hundredth of
    /// its largest value; expanded within `tolerance` of that value; 0: 1e-3.
    static Orbital table(const ConstView &radii, const ConstView &values, RadialTable kind = RadialTable::projected,
                         double tolerance = 0) {
        aet_orbital *created = nullptr;
        detail::check(aet_orbital_create_table(radii.get(), values.get(), static_cast<std::int32_t>(kind), tolerance,
                                               &created));
        return Orbital(created);
    }
    /// Takes over a handle of the C interface.
    explicit Orbital(aet_orbital *owned) : handle_(owned, aet_orbital_free) {}
    // Also serve instead of moves, which would leave an orbital without a shape.
    Orbital(const Orbital &) noexcept = default;
    Orbital &operator=(const Orbital &) noexcept = default;

    std::int64_t term_count() const noexcept { return aet_orbital_term_count(get()); }
    /// Largest difference from the function that was expanded, relative to its largest value; 0 for given terms.
    double expansion_error() const noexcept { return aet_orbital_expansion_error(get()); }
    std::vector<Term> terms() const {
        const std::int64_t count = term_count();
        std::vector<double> values(detail::element_count({count, 2}));
        const View out(values, {count, 2});
        detail::check(aet_orbital_copy_terms(get(), out.get()));
        std::vector<Term> terms;
        for (std::size_t i = 0; i < values.size(); i += 2) terms.push_back({values[i], values[i + 1]});
        return terms;
    }
    /// For B = `width` (A^2) at `radii` [n] (A): rows [n, 3] of f, its derivative with respect to rho (1 / A) and that
    /// with respect to B (1 / A^2), row-major.
    std::vector<double> evaluate(const ConstView &radii, double width) const {
        const Shape shape{radii.get()->ndim == 1 ? radii.get()->shape[0] : 0, 3};
        std::vector<double> values(detail::element_count(shape));
        evaluate(radii, width, View(values, shape));
        return values;
    }
    /// The same into a real view [n, 3].
    void evaluate(const ConstView &radii, double width, const View &out) const {
        detail::check(aet_orbital_evaluate(get(), radii.get(), width, out.get()));
    }

    aet_orbital *get() const noexcept { return handle_.get(); }

private:
    std::shared_ptr<aet_orbital> handle_;
};

// ---- tilt series -----------------------------------------------------------------------------------------------

/// What is known of n images. Exactly one of rotations and angles is needed. Views must live until the call.
class Frames {
public:
    /// [n, 3, 3], or [3, 3] for all: p' = R p.
    Frames &rotations(const ConstView &values) noexcept { return rotations_ = values, *this; }
    /// [n, 3] phi, theta, psi in degrees.
    Frames &angles_deg(const ConstView &values, AngleOrder order = AngleOrder::zyx) noexcept {
        return angles_deg_ = values, order_ = order, *this;
    }
    /// [n] angles about one axis, degrees.
    Frames &angles_deg(const ConstView &values, TiltAxis axis) noexcept {
        return angles_deg_ = values, axis_ = axis, *this;
    }
    /// [n] index of the tilt, integers.
    Frames &tilt(const ConstView &values) noexcept { return tilt_ = values, *this; }
    /// [n] index of the focus within the tilt, integers.
    Frames &section(const ConstView &values) noexcept { return section_ = values, *this; }
    /// [n] A, positive: crossover at z' = +defocus.
    Frames &defocus(const ConstView &values) noexcept { return defocus_ = values, *this; }
    /// [n, 2] (u along x', v along y'), A.
    Frames &drift(const ConstView &values) noexcept { return drift_ = values, *this; }
    /// [n, rows, columns] std::uint8_t, non-zero: use the pixel.
    Frames &mask(const ConstView &values) noexcept { return mask_ = values, *this; }
    /// [n] variance of the noise of one pixel, (image unit)^2.
    Frames &noise_variance(const ConstView &values) noexcept { return noise_variance_ = values, *this; }
    /// [n] electrons per image unit; 1 where images are counts.
    Frames &counts_per_unit(const ConstView &values) noexcept { return counts_per_unit_ = values, *this; }

    /// The C structure; it points into this object.
    aet_frames c_struct() const {
        const auto pointer = [](const std::optional<ConstView> &view) { return view ? view->get() : nullptr; };
        aet_frames frames{};
        detail::check(aet_frames_init(&frames, sizeof frames));
        frames.rotations = pointer(rotations_);
        frames.angles_deg = pointer(angles_deg_);
        frames.angle_order = static_cast<std::int32_t>(order_);
        frames.tilt_axis = static_cast<std::int32_t>(axis_);
        frames.tilt = pointer(tilt_);
        frames.section = pointer(section_);
        frames.defocus = pointer(defocus_);
        frames.drift = pointer(drift_);
        frames.mask = pointer(mask_);
        frames.noise_variance = pointer(noise_variance_);
        frames.counts_per_unit = pointer(counts_per_unit_);
        return frames;
    }

private:
    std::optional<ConstView> rotations_, angles_deg_, tilt_, section_, defocus_, drift_, mask_, noise_variance_,
        counts_per_unit_;
    AngleOrder order_ = AngleOrder::zyx;
    TiltAxis axis_ = TiltAxis::none;
};

/// One entry of the metadata of a series.
struct Metadata {
    std::string key, value, unit;
};

/// Images of a specimen at many tilts, as a sequence of versions.
class TiltSeries {
public:
    class Options {
    public:
        Options() { detail::check(aet_dataset_options_init(&raw_, sizeof raw_)); }
        /// Pixels; needed where the series starts empty.
        Options &shape(std::int64_t rows, std::int64_t columns) noexcept {
            return raw_.rows = rows, raw_.columns = columns, *this;
        }
        /// A (pixels where length_unit is pixel).
        Options &pixel_size(double size) noexcept { return raw_.pixel_size = size, *this; }
        Options &length_unit(LengthUnit unit) noexcept {
            return raw_.length_unit = static_cast<std::int32_t>(unit), *this;
        }
        Options &energy_ev(double value) noexcept { return raw_.energy_ev = value, *this; }
        Options &semiangle_mrad(double value) noexcept { return raw_.semiangle_mrad = value, *this; }
        const aet_dataset_options *get() const noexcept { return &raw_; }

    private:
        aet_dataset_options raw_{};
    };

    /// An empty series that grows by append; the options give its shape and pixel size.
    TiltSeries(const Context &context, const Options &options) { create(context, options, nullptr, nullptr); }
    /// A series of images [n, rows, columns].
    TiltSeries(const Context &context, const ConstView &images, const Frames &frames, const Options &options) {
        const aet_frames c_frames = frames.c_struct();
        create(context, options, images.get(), &c_frames);
    }
    /// Takes over a handle of the C interface.
    explicit TiltSeries(aet_dataset *owned) noexcept : handle_(owned) {}

    /// Reads a dataset folder; `variant` names one of its image sets.
    static TiltSeries read(const Context &context, const std::string &folder, const std::string &variant = {},
                           const ProgressFunction &progress = {}) {
        detail::Observer observer(progress);
        aet_dataset *created = nullptr;
        detail::check(observer.finish(aet_dataset_read(context.get(), folder.c_str(), detail::or_null(variant),
                                                       observer.function(), observer.user(), &created)));
        return TiltSeries(created);
    }
    /// A series of the images of an MRC, TIFF, npy, MAT or HDF5 file; the pixel size may be left out where the file
    /// has one.
    static TiltSeries from_file(const Context &context, const std::string &path, const Frames &frames,
                                const Options &options, const ProgressFunction &progress = {}) {
        const aet_frames c_frames = frames.c_struct();
        detail::Observer observer(progress);
        aet_dataset *created = nullptr;
        detail::check(observer.finish(aet_dataset_create_from_file(context.get(), options.get(), path.c_str(), &c_frames,
                                                                   observer.function(), observer.user(), &created)));
        return TiltSeries(created);
    }
    /// The atoms of a dataset folder, `which` is "truth" or "published".
    static Atoms read_atoms(const Context &context, const std::string &folder, const std::string &which,
                            const std::string &variant = {}) {
        aet_atoms *created = nullptr;
        detail::check(aet_dataset_read_atoms(context.get(), folder.c_str(), which.c_str(), detail::or_null(variant),
                                             &created));
        return Atoms(created);
    }
    /// Writes a dataset folder.
    void write(const std::string &folder, const ProgressFunction &progress = {}) const {
        detail::Observer observer(progress);
        detail::check(
            observer.finish(aet_dataset_write(get(), folder.c_str(), observer.function(), observer.user())));
    }

    /// Adds one tilt with all its sections, [sections, rows, columns] or a single image [rows, columns]. Any thread.
    /// \return index of the new tilt.
    std::int64_t append(const ConstView &images, const Frames &frames) {
        const aet_frames c_frames = frames.c_struct();
        const ConstView stack = images.as_stack();
        std::int64_t tilt = -1;
        detail::check(aet_dataset_append_tilt(get(), stack.get(), &c_frames, &tilt));
        return tilt;
    }
    /// Adds one tilt of which only the rotation (row-major, p' = R p) is known.
    std::int64_t append(const ConstView &images, const std::array<double, 9> &rotation) {
        return append(images, Frames{}.rotations(ConstView(rotation.data(), {3, 3})));
    }
    /// Exchanges the images of a tilt. Any thread.
    void replace(std::int64_t tilt, const ConstView &images, const Frames &frames) {
        const aet_frames c_frames = frames.c_struct();
        const ConstView stack = images.as_stack();
        detail::check(aet_dataset_replace_tilt(get(), tilt, stack.get(), &c_frames));
    }
    /// Leaves a tilt out of reconstructions, or takes it in again. Any thread.
    void exclude(std::int64_t tilt, bool excluded = true) {
        detail::check(aet_dataset_exclude_tilt(get(), tilt, excluded ? 1 : 0));
    }

    /// Grows with every change.
    std::uint64_t version() const noexcept { return aet_dataset_version(get()); }
    std::int64_t image_count() const noexcept { return aet_dataset_image_count(get()); }
    std::int64_t tilt_count() const noexcept { return aet_dataset_tilt_count(get()); }
    /// Foci per tilt, the largest number of them.
    std::int64_t section_count() const noexcept { return aet_dataset_section_count(get()); }
    std::int64_t rows() const noexcept { return aet_dataset_rows(get()); }
    std::int64_t columns() const noexcept { return aet_dataset_columns(get()); }
    /// A, or 1 where lengths are in pixels.
    double pixel_size() const noexcept { return aet_dataset_pixel_size(get()); }
    /// eV, 0 where unknown.
    double energy_ev() const noexcept { return aet_dataset_energy_ev(get()); }
    /// mrad, 0 where unknown.
    double semiangle_mrad() const noexcept { return aet_dataset_semiangle_mrad(get()); }
    LengthUnit length_unit() const noexcept { return static_cast<LengthUnit>(aet_dataset_length_unit(get())); }

    /// A column by name: images, mask [n, rows, columns]; rotations [n, 3, 3]; angles_deg [n, 3]; drift [n, 2];
    /// tilt, section, defocus, excluded, noise_variance, counts_per_unit [n].
    template <class T = double>
    std::vector<T> column(const std::string &name) const {
        const Shape shape = column_shape(name);
        std::vector<T> values(detail::element_count(shape));
        copy_column(name, View(values, shape));
        return values;
    }
    /// The axis a along which a . p is the mean depth of an atom at p over all images in use, for AccuracyOptions.
    std::array<double, 3> depth_axis() const {
        std::array<double, 3> axis{};
        detail::check(aet_dataset_depth_axis(get(), View(axis.data(), {3}).get()));
        return axis;
    }
    /// The same into memory of the host.
    void copy_column(const std::string &name, const View &out) const {
        detail::check(aet_dataset_copy_column(get(), name.c_str(), out.get()));
    }

    void set_metadata(const std::string &key, const std::string &value, const std::string &unit = {}) {
        detail::check(aet_dataset_set_metadata(get(), key.c_str(), value.c_str(), unit.c_str()));
    }
    std::vector<Metadata> metadata() const {
        std::vector<Metadata> entries(static_cast<std::size_t>(aet_dataset_metadata_count(get())));
        for (std::size_t i = 0; i < entries.size(); ++i) {
            Metadata &entry = entries[i];
            entry.key = detail::read_text([&](char *buffer, std::size_t capacity, std::size_t *needed) {
                return aet_dataset_metadata_key(get(), static_cast<std::int64_t>(i), buffer, capacity, needed);
            });
            entry.value = detail::read_text([&](char *buffer, std::size_t capacity, std::size_t *needed) {
                return aet_dataset_metadata_value(get(), entry.key.c_str(), buffer, capacity, needed);
            });
            entry.unit = detail::read_text([&](char *buffer, std::size_t capacity, std::size_t *needed) {
                return aet_dataset_metadata_unit(get(), entry.key.c_str(), buffer, capacity, needed);
            });
        }
        return entries;
    }

    aet_dataset *get() const noexcept { return handle_.get(); }

private:
    void create(const Context &context, const Options &options, const aet_const_view *images,
                const aet_frames *frames) {
        aet_dataset *created = nullptr;
        detail::check(aet_dataset_create(context.get(), options.get(), images, frames, &created));
        handle_.reset(created);
    }
    Shape column_shape(const std::string &name) const {
        const std::int64_t n = image_count();
        if (name == "images" || name == "mask") return {n, rows(), columns()};
        if (name == "rotations") return {n, 3, 3};
        if (name == "angles_deg") return {n, 3};
        if (name == "drift") return {n, 2};
        return {n};
    }

    detail::Handle<aet_dataset, aet_dataset_free> handle_;
};

// ---- volume ----------------------------------------------------------------------------------------------------

class TomographyOptions;

/// An immutable volume of cubic voxels [z, y, x]; the specimen origin is voxel n / 2 of each axis.
class Volume {
public:
    /// How maxima become atoms; lengths in A.
    class TraceOptions {
    public:
        TraceOptions() { detail::check(aet_trace_options_init(&raw_, sizeof raw_)); }
        /// Standard deviation, voxels; 0: none.
        TraceOptions &smoothing(double sigma) noexcept { return raw_.smoothing = sigma, *this; }
        /// At least two voxels; 0: two voxels.
        TraceOptions &minimum_distance(double distance) noexcept { return raw_.minimum_distance = distance, *this; }
        /// Part of the 99.9 % quantile; 0: automatic.
        TraceOptions &threshold(double part) noexcept {
            return raw_.thresholding = AET_TRACE_THRESHOLD_PART, raw_.threshold = part, *this;
        }
        /// In the unit of the volume.
        TraceOptions &threshold_value(double value) noexcept {
            return raw_.thresholding = AET_TRACE_THRESHOLD_VALUE, raw_.threshold = value, *this;
        }
        /// From the histogram of the heights of all maxima.
        TraceOptions &threshold_from_histogram() noexcept {
            return raw_.thresholding = AET_TRACE_THRESHOLD_HISTOGRAM, *this;
        }
        /// 0: all.
        TraceOptions &max_atoms(std::int64_t count) noexcept { return raw_.max_atoms = count, *this; }
        TraceOptions &species(std::int32_t atomic_number) noexcept { return raw_.species = atomic_number, *this; }
        TraceOptions &method(TraceMethod method) noexcept {
            return raw_.method = static_cast<std::int32_t>(method), *this;
        }
        /// Radius of the ball that is fitted.
        TraceOptions &fit_radius(double radius) noexcept { return raw_.fit_radius = radius, *this; }
        /// Fitted Gaussians have a width along each axis.
        TraceOptions &anisotropic(bool on) noexcept { return raw_.anisotropic = on ? 1 : 0, *this; }
        /// Only where this volume is above 0.5; it must live until the options are used.
        TraceOptions &support(const Volume &volume) noexcept { return raw_.support = volume.get(), *this; }
        /// Places [n, 3] of atoms added by hand; they must live as long as this object.
        TraceOptions &added(const ConstView &places) { return added_ = places, *this; }
        /// Places [n, 3] near which candidates are dropped by hand; they must live as long as this object.
        TraceOptions &removed(const ConstView &places) { return removed_ = places, *this; }
        TraceOptions &removal_radius(double radius) noexcept { return raw_.removal_radius = radius, *this; }
        /// Rounds of explaining away at most, and the least height there as a part of the threshold (0: automatic).
        TraceOptions &explain(std::int32_t rounds, double part = 0.0) noexcept {
            return raw_.explain_rounds = rounds, raw_.explain_part = part, *this;
        }
        aet_trace_options c_struct() const noexcept {
            aet_trace_options raw = raw_;
            raw.added = added_ ? added_->get() : nullptr;
            raw.removed = removed_ ? removed_->get() : nullptr;
            return raw;
        }

    private:
        aet_trace_options raw_{};
        std::optional<ConstView> added_, removed_;
    };

    /// Atoms, and what became of every candidate; the columns are those of aet_volume_trace.
    struct Tracing {
        Atoms atoms;
        Table candidates;
    };

    /// From values [z, y, x] and the edge of a voxel, A.
    Volume(const Context &context, const ConstView &values, double voxel_size) {
        aet_volume *created = nullptr;
        detail::check(aet_volume_create(context.get(), values.get(), voxel_size, &created));
        handle_.reset(created);
    }
    /// Takes over a handle of the C interface.
    explicit Volume(aet_volume *owned) noexcept : handle_(owned) {}

    /// Reads MRC, npy, TIFF, MAT or HDF5, as the first bytes tell; a `voxel_size` other than 0 replaces that of the file.
    static Volume read(const Context &context, const std::string &path, double voxel_size = 0.0,
                       const ProgressFunction &progress = {}) {
        detail::Observer observer(progress);
        aet_volume *created = nullptr;
        detail::check(observer.finish(aet_volume_read(context.get(), path.c_str(), voxel_size, observer.function(),
                                                      observer.user(), &created)));
        return Volume(created);
    }
    /// The array called `name` of a MAT or HDF5 file with several.
    static Volume read_named(const Context &context, const std::string &path, const std::string &name,
                             double voxel_size = 0.0, const ProgressFunction &progress = {}) {
        detail::Observer observer(progress);
        aet_volume *created = nullptr;
        detail::check(observer.finish(aet_volume_read_named(context.get(), path.c_str(), name.c_str(), voxel_size,
                                                            observer.function(), observer.user(), &created)));
        return Volume(created);
    }
    /// Reconstructs a volume from images in one call. Where `progress` ends it, the volume of the iterations done is
    /// returned. Progress tells the relative residual as loss.
    static Volume reconstruct(const Context &context, const TiltSeries &series, const TomographyOptions &options,
                              const ProgressFunction &progress = {});

    /// Writes MRC, npy, TIFF, MAT or EMD, as the ending of the name tells.
    void write(const std::string &path, const ProgressFunction &progress = {}) const {
        detail::Observer observer(progress);
        detail::check(
            observer.finish(aet_volume_write(get(), path.c_str(), observer.function(), observer.user())));
    }
    /// The same for files of any name: mrc, npy, tiff, mat5, mat73 or emd; `name` is that of the array in MAT and EMD
    /// files. Empty text leaves the choice to the library.
    void write_as(const std::string &path, const std::string &format, const std::string &name = {},
                  const ProgressFunction &progress = {}) const {
        const auto given = [](const std::string &text) { return text.empty() ? nullptr : text.c_str(); };
        detail::Observer observer(progress);
        detail::check(observer.finish(aet_volume_write_as(get(), path.c_str(), given(format), given(name),
                                                          observer.function(), observer.user())));
    }
    /// The maxima as atoms, the strongest first.
    Atoms trace(const TraceOptions &options = TraceOptions(), const ProgressFunction &progress = {}) const {
        const aet_trace_options raw = options.c_struct();
        detail::Observer observer(progress);
        aet_atoms *created = nullptr;
        detail::check(observer.finish(
            aet_volume_trace(get(), &raw, observer.function(), observer.user(), &created, nullptr)));
        return Atoms(created);
    }
    /// The same with the table of all candidates.
    Tracing trace_candidates(const TraceOptions &options = TraceOptions(),
                             const ProgressFunction &progress = {}) const {
        const aet_trace_options raw = options.c_struct();
        detail::Observer observer(progress);
        aet_atoms *created = nullptr;
        aet_table *rows = nullptr;
        detail::check(observer.finish(
            aet_volume_trace(get(), &raw, observer.function(), observer.user(), &created, &rows)));
        return {Atoms(created), Table(rows)};
    }

    /// Voxels along z, y and x.
    Shape shape() const {
        std::array<std::int64_t, 3> shape{};
        detail::check(aet_volume_shape(get(), shape.data()));
        return {shape[0], shape[1], shape[2]};
    }
    /// A.
    double voxel_size() const noexcept { return aet_volume_voxel_size(get()); }
    /// The values [z, y, x], row-major.
    template <class T = float>
    std::vector<T> values() const {
        const Shape extents = shape();
        std::vector<T> values(detail::element_count(extents));
        copy_to(View(values, extents));
        return values;
    }
    /// The same into memory of the host.
    void copy_to(const View &out) const { detail::check(aet_volume_copy_to(get(), out.get())); }
    /// Relative residual at the beginning of every iteration of reconstruct; empty for other volumes.
    std::vector<double> residuals() const {
        std::vector<double> values(static_cast<std::size_t>(aet_volume_residual_count(get())));
        const View out(values);
        detail::check(aet_volume_copy_residuals(get(), out.get()));
        return values;
    }

    aet_volume *get() const noexcept { return handle_.get(); }

private:
    detail::Handle<aet_volume, aet_volume_free> handle_;
};

/// How a volume is reconstructed. What is not set, and 0, is automatic; see aet_tomography_options for the formulas.
class TomographyOptions {
public:
    TomographyOptions() { detail::check(aet_tomography_options_init(&raw_, sizeof raw_)); }
    TomographyOptions &method(TomographyMethod method) noexcept {
        return raw_.method = static_cast<std::int32_t>(method), *this;
    }
    /// Volume to start from; it must live until the options are used.
    TomographyOptions &initial(const Volume &volume) noexcept { return raw_.initial = volume.get(), *this; }
    /// The result is 0 where this volume is; it must live until the options are used.
    TomographyOptions &support(const Volume &volume) noexcept { return raw_.support = volume.get(), *this; }
    /// Weight of each image of the series in the loss, 0 or above. The options, and their copies, keep them.
    TomographyOptions &image_weights(std::vector<double> weights) {
        weights_ = std::make_shared<const std::vector<double>>(std::move(weights));
        raw_.image_weights = weights_->data();
        raw_.n_image_weights = static_cast<std::int64_t>(weights_->size());
        return *this;
    }
    /// Voxels along z, y and x; default: a cube as wide as the images.
    TomographyOptions &shape(std::int64_t nz, std::int64_t ny, std::int64_t nx) noexcept {
        return raw_.nz = nz, raw_.ny = ny, raw_.nx = nx, *this;
    }
    /// A, at most a pixel; 0: a pixel.
    TomographyOptions &voxel_size(double size) noexcept { return raw_.voxel_size = size, *this; }
    /// Of Volume::reconstruct; a run is told its own.
    TomographyOptions &iterations(std::int32_t count) noexcept { return raw_.iterations = count, *this; }
    /// Length of steps, below 2.
    TomographyOptions &relaxation(double length) noexcept { return raw_.relaxation = length, *this; }
    TomographyOptions &accelerated(bool on) noexcept { return raw_.accelerated = on ? 1 : 0, *this; }
    /// Voxels stay at 0 or above, in methods that can.
    TomographyOptions &positivity(bool on) noexcept { return raw_.positivity = on ? 1 : 0, *this; }
    /// Largest value of a voxel; 0: none.
    TomographyOptions &upper_bound(double value) noexcept { return raw_.upper_bound = value, *this; }
    /// Views per update of SART.
    TomographyOptions &subset_size(std::int64_t views) noexcept { return raw_.subset_size = views, *this; }
    /// FBP and WBP.
    TomographyOptions &window(RampWindow window) noexcept {
        return raw_.window = static_cast<std::int32_t>(window), *this;
    }
    TomographyOptions &background(Background background) noexcept {
        return raw_.background = static_cast<std::int32_t>(background), *this;
    }
    TomographyOptions &subset(ViewSubset subset) noexcept {
        return raw_.subset = static_cast<std::int32_t>(subset), *this;
    }
    /// Part of the views, up to 0.5, that is held out: a run ends when their R factor no longer falls. Another seed draws
    /// others.
    TomographyOptions &held_out(double part, std::int64_t seed = 1) noexcept {
        return raw_.held_out = part, raw_.seed = seed, *this;
    }
    /// Bytes; 0: no limit.
    TomographyOptions &memory_limit(double bytes) noexcept { return raw_.memory_limit = bytes, *this; }
    /// Points of the padded transform over voxels: GENFIRE, EST, RESIRE in Fourier space.
    TomographyOptions &oversampling(double ratio) noexcept { return raw_.oversampling = ratio, *this; }
    /// GENFIRE: how points of the transform get values, and from samples how far away, in points of the transform.
    TomographyOptions &gridding(Gridding gridding, double cutoff = 0) noexcept {
        return raw_.gridding = static_cast<std::int32_t>(gridding), raw_.gridding_cutoff = cutoff, *this;
    }
    /// GENFIRE: which frequencies are imposed when, and whether all are in the end.
    TomographyOptions &resolution(ResolutionSchedule schedule, bool end_with_all = true) noexcept {
        raw_.resolution = static_cast<std::int32_t>(schedule);
        return raw_.end_with_all = end_with_all ? 1 : 0, *this;
    }
    /// GENFIRE: part of the points of the transform, up to 0.5, that is held back for R-free.
    TomographyOptions &held_back(double part) noexcept { return raw_.held_back = part, *this; }
    /// GENFIRE: what positivity adds to the sum of the volume is taken off again.
    TomographyOptions &keep_total(bool on) noexcept { return raw_.keep_total = on ? 1 : 0, *this; }
    /// GENFIRE, EST.
    TomographyOptions &iterate(Iterate iterate) noexcept {
        return raw_.iterate = static_cast<std::int32_t>(iterate), *this;
    }
    /// lambda of total variation, and its iterations within one step. Terms add to the loss in its unit; 0: none.
    TomographyOptions &total_variation(double lambda, std::int32_t inner_iterations = 0) noexcept {
        return raw_.total_variation = lambda, raw_.inner_iterations = inner_iterations, *this;
    }
    /// lambda of 1/2 sum V_i^2.
    TomographyOptions &tikhonov(double lambda) noexcept { return raw_.tikhonov = lambda, *this; }
    /// lambda of 1/2 sum |(D V)_i|^2.
    TomographyOptions &tikhonov_gradient(double lambda) noexcept { return raw_.tikhonov_gradient = lambda, *this; }
    /// lambda of sum |V_i|.
    TomographyOptions &soft_threshold(double lambda) noexcept { return raw_.soft_threshold = lambda, *this; }
    /// lambda, power and squeeze along z of the penalty on voxels far from the origin.
    TomographyOptions &edge(double lambda, double power = 0, double squeeze = 0) noexcept {
        return raw_.edge = lambda, raw_.edge_power = power, raw_.edge_squeeze = squeeze, *this;
    }
    /// Standard deviation of a Gaussian blur after every iteration, voxels; 0: none.
    TomographyOptions &blur(double sigma) noexcept { return raw_.blur = sigma, *this; }
    const aet_tomography_options *get() const noexcept { return &raw_; }

private:
    aet_tomography_options raw_{};
    std::shared_ptr<const std::vector<double>> weights_; // what raw_ points to
};

inline Volume Volume::reconstruct(const Context &context, const TiltSeries &series, const TomographyOptions &options,
                                  const ProgressFunction &progress) {
    detail::Observer observer(progress);
    aet_volume *created = nullptr;
    const aet_status status = aet_volume_reconstruct(context.get(), series.get(), options.get(), observer.function(),
                                                     observer.user(), &created);
    Volume volume(created); // owns it before anything is thrown
    observer.finish(status);
    if (created == nullptr) detail::check(status);
    return volume;
}

// ---- filters and masks of volumes ------------------------------------------------------------------------------

/// By what a volume is smoothed: a width in voxels, of a Gaussian its standard deviation, of a box its odd edge.
enum class Smoothing : std::int32_t {
    none = AET_SMOOTHING_NONE,
    gaussian = AET_SMOOTHING_GAUSSIAN,
    box = AET_SMOOTHING_BOX
};
/// What lies beyond the faces of a volume.
enum class Padding : std::int32_t {
    zeros = AET_PADDING_ZEROS,
    mirror = AET_PADDING_MIRROR,
    periodic = AET_PADDING_PERIODIC
};
/// Above which value a voxel is in a mask.
enum class Threshold : std::int32_t { otsu = AET_THRESHOLD_OTSU, value = AET_THRESHOLD_VALUE };
/// Which voxels of a mask are connected.
enum class Connectivity : std::int32_t { corners = AET_CONNECTIVITY_CORNERS, faces = AET_CONNECTIVITY_FACES };
/// Shape of a support.
enum class SupportShape : std::int32_t {
    sphere = AET_SUPPORT_SHAPE_SPHERE,
    cylinder_x = AET_SUPPORT_SHAPE_CYLINDER_X,
    cylinder_y = AET_SUPPORT_SHAPE_CYLINDER_Y,
    cylinder_z = AET_SUPPORT_SHAPE_CYLINDER_Z
};

namespace detail {

/// The volume that `make(function, user, &created)` makes under a progress function.
template <class Make>
Volume made_volume(const ProgressFunction &progress, Make make) {
    Observer observer(progress);
    aet_volume *created = nullptr;
    check(observer.finish(make(observer.function(), observer.user(), &created)));
    return Volume(created);
}

} // namespace detail

/// Factors of a filter in Fourier space, each 1 until it is set. Frequencies in cycles per unit of the voxel size.
class FilterOptions {
public:
    FilterOptions() { detail::check(aet_filter_options_init(&raw_, sizeof raw_)); }
    /// Cut and width of its soft edge; 0: automatic.
    FilterOptions &low_pass(double cut, double width = 0) noexcept {
        return raw_.low_pass = cut, raw_.low_pass_width = width, *this;
    }
    FilterOptions &high_pass(double cut, double width = 0) noexcept {
        return raw_.high_pass = cut, raw_.high_pass_width = width, *this;
    }
    /// Standard deviation in real space, A.
    FilterOptions &gaussian(double sigma) noexcept { return raw_.gaussian = sigma, *this; }
    /// Wiener filter from the ratio of the variances of signal and white noise.
    FilterOptions &signal_to_noise(double ratio) noexcept { return raw_.signal_to_noise = ratio, *this; }
    /// Wiener filter from a Fourier shell correlation [m, 2 or more]; `of_half`: the volume is one of the two compared.
    FilterOptions &curve(const ConstView &curve, bool of_half = false) noexcept {
        return curve_ = curve, raw_.curve_of_half = of_half ? 1 : 0, *this;
    }
    /// For the weights of what a series has seen: size of the object, A, and weight of what no view has seen.
    FilterOptions &seen(double object_size, double floor = 0) noexcept {
        return raw_.object_size = object_size, raw_.floor = floor, *this;
    }
    /// `voxels` beyond the faces; 0: automatic.
    FilterOptions &padding(Padding padding, std::int64_t voxels = 0) noexcept {
        return raw_.padding = static_cast<std::int32_t>(padding), raw_.padding_voxels = voxels, *this;
    }
    const aet_filter_options *get() const noexcept { return &raw_; }
    const aet_const_view *curve_view() const noexcept { return curve_ ? curve_->get() : nullptr; }

private:
    aet_filter_options raw_{};
    std::optional<ConstView> curve_;
};

/// The volume with its spectrum times all factors; with `series`, also how much of each frequency it has seen.
inline Volume filter(const Volume &volume, const FilterOptions &options, const TiltSeries *series = nullptr,
                     const ProgressFunction &progress = {}) {
    const aet_dataset *dataset = series == nullptr ? nullptr : series->get();
    return detail::made_volume(progress, [&](aet_progress_fn function, void *user, aet_volume **created) {
        return aet_volume_filter(volume.get(), options.get(), dataset, options.curve_view(), function, user, created);
    });
}

/// The volume smoothed in real space.
inline Volume smooth(const Volume &volume, Smoothing by, double width, const ProgressFunction &progress = {}) {
    return detail::made_volume(progress, [&](aet_progress_fn function, void *user, aet_volume **created) {
        return aet_volume_smooth(volume.get(), static_cast<std::int32_t>(by), width, function, user, created);
    });
}

/// Steps of a mask; by default the published chain for particles a few hundred voxels wide. Lengths in voxels.
class MaskOptions {
public:
    MaskOptions() { detail::check(aet_mask_options_init(&raw_, sizeof raw_)); }
    MaskOptions &smoothing(Smoothing by, double width) noexcept {
        return raw_.smoothing = static_cast<std::int32_t>(by), raw_.smoothing_width = width, *this;
    }
    /// A fixed threshold in the place of a part of Otsu's.
    MaskOptions &threshold(double value) noexcept {
        return raw_.thresholding = AET_THRESHOLD_VALUE, raw_.threshold = value, *this;
    }
    /// Part of the way from the smallest value to Otsu's threshold.
    MaskOptions &factor(double part) noexcept { return raw_.factor = part, *this; }
    MaskOptions &dilation(double radius) noexcept { return raw_.dilation = radius, *this; }
    MaskOptions &closing(double radius) noexcept { return raw_.closing = radius, *this; }
    MaskOptions &minimum_island(std::int64_t voxels) noexcept { return raw_.minimum_island = voxels, *this; }
    MaskOptions &largest_only(bool on) noexcept { return raw_.largest_only = on ? 1 : 0, *this; }
    MaskOptions &connectivity(Connectivity connectivity) noexcept {
        return raw_.connectivity = static_cast<std::int32_t>(connectivity), *this;
    }
    MaskOptions &fill_holes(bool on) noexcept { return raw_.fill_holes = on ? 1 : 0, *this; }
    MaskOptions &erosion(double radius) noexcept { return raw_.erosion = radius, *this; }
    MaskOptions &soft_edge(double width) noexcept { return raw_.soft_edge = width, *this; }
    const aet_mask_options *get() const noexcept { return &raw_; }

private:
    aet_mask_options raw_{};
};

/// The mask of a volume: 1 where the specimen is, 0 elsewhere, values between in a soft edge.
inline Volume mask(const Volume &volume, const MaskOptions &options = MaskOptions(),
                   const ProgressFunction &progress = {}) {
    return detail::made_volume(progress, [&](aet_progress_fn function, void *user, aet_volume **created) {
        return aet_volume_mask(volume.get(), options.get(), function, user, created);
    });
}

/// Otsu's threshold of a volume.
inline double otsu_threshold(const Volume &volume, const ProgressFunction &progress = {}) {
    detail::Observer observer(progress);
    double threshold = 0;
    detail::check(observer.finish(
        aet_volume_otsu_threshold(volume.get(), observer.function(), observer.user(), &threshold)));
    return threshold;
}

/// The volume times a mask.
inline Volume multiply(const Volume &volume, const Volume &mask, const ProgressFunction &progress = {}) {
    return detail::made_volume(progress, [&](aet_progress_fn function, void *user, aet_volume **created) {
        return aet_volume_multiply(volume.get(), mask.get(), function, user, created);
    });
}

/// A mask of a simple shape. Lengths in the unit of the voxel size.
class Support {
public:
    /// Voxels along z, y and x, their edge, and the radius.
    Support(const std::array<std::int64_t, 3> &shape, double voxel_size, double radius) {
        detail::check(aet_support_options_init(&raw_, sizeof raw_));
        raw_.nz = shape[0], raw_.ny = shape[1], raw_.nx = shape[2];
        raw_.voxel_size = voxel_size, raw_.radius = radius;
    }
    Support &centre(double x, double y, double z) noexcept {
        return raw_.centre[0] = x, raw_.centre[1] = y, raw_.centre[2] = z, *this;
    }
    /// `half_height` of a cylinder; 0: through the whole volume.
    Support &shape(SupportShape shape, double half_height = 0) noexcept {
        return raw_.shape = static_cast<std::int32_t>(shape), raw_.half_height = half_height, *this;
    }
    Support &soft_edge(double width) noexcept { return raw_.soft_edge = width, *this; }
    Volume create(const Context &context, const ProgressFunction &progress = {}) const {
        return detail::made_volume(progress, [&](aet_progress_fn function, void *user, aet_volume **created) {
            return aet_volume_create_support(context.get(), &raw_, function, user, created);
        });
    }

private:
    aet_support_options raw_{};
};

/// How the projections of a mask are applied to images.
struct ImageMask {
    /// Voxels that the beam must pass in the mask; 0: 0.5.
    double minimum_path = 0;
    /// Pixels beside the mask drop out of use; else they are 0.
    bool leave_out = false;
};

/// Sets the pixels of a series beside the projections of `mask` to 0; returns how many are kept of each image.
inline std::vector<std::int32_t> mask_images(const TiltSeries &series, const Volume &mask,
                                             const ImageMask &how = ImageMask(),
                                             const ProgressFunction &progress = {}) {
    aet_image_mask_options options{};
    detail::check(aet_image_mask_options_init(&options, sizeof options));
    options.minimum_path = how.minimum_path;
    options.leave_out = how.leave_out ? 1 : 0;
    std::vector<std::int32_t> kept(static_cast<std::size_t>(series.image_count()));
    const View out(kept);
    detail::Observer observer(progress);
    detail::check(observer.finish(aet_dataset_mask_images(series.get(), mask.get(), &options, observer.function(),
                                                          observer.user(), out.get())));
    return kept;
}

// ---- classification --------------------------------------------------------------------------------------------

/// How species are told apart.
enum class ClassifyMethod : std::int32_t {
    gaussian = AET_CLASSIFY_METHOD_GAUSSIAN,
    k_means = AET_CLASSIFY_METHOD_K_MEANS,
    profile_global = AET_CLASSIFY_METHOD_PROFILE_GLOBAL,
    profile_local = AET_CLASSIFY_METHOD_PROFILE_LOCAL,
    expected = AET_CLASSIFY_METHOD_EXPECTED
};
/// The points about an atom that count: a cube by its edge in voxels or in A, or a ball by its radius in A.
enum class Region : std::int32_t {
    box = AET_REGION_BOX,
    box_length = AET_REGION_BOX_LENGTH,
    sphere = AET_REGION_SPHERE
};

/// How atoms are classified; lengths in A.
class ClassifyOptions {
public:
    /// Up to eight atomic numbers in ascending order of the intensity that is expected.
    explicit ClassifyOptions(const std::vector<std::int32_t> &species) {
        detail::check(aet_classify_options_init(&raw_, sizeof raw_));
        constexpr std::size_t most = sizeof raw_.species / sizeof raw_.species[0];
        if (species.size() > most)
            throw error(AET_ERROR_SHAPE, "got " + std::to_string(species.size()) + " species, wanted at most " +
                                        std::to_string(most));
        std::copy(species.begin(), species.end(), raw_.species);
    }
    /// A class below all species, whose members are removed.
    ClassifyOptions &non_atoms(bool on) noexcept { return raw_.non_atoms = on ? 1 : 0, *this; }
    ClassifyOptions &method(ClassifyMethod method) noexcept {
        return raw_.method = static_cast<std::int32_t>(method), *this;
    }
    /// Standard deviation of a Gaussian; 0: none.
    ClassifyOptions &smoothing(double sigma) noexcept { return raw_.smoothing = sigma, *this; }
    /// By default the box of 5 voxels.
    ClassifyOptions &region(Region region, double size) noexcept {
        return raw_.region = static_cast<std::int32_t>(region), raw_.region_size = size, *this;
    }
    /// Of local profiles; 0: 10.
    ClassifyOptions &radius(double radius) noexcept { return raw_.radius = radius, *this; }
    ClassifyOptions &otsu_mask(bool on) noexcept { return raw_.otsu_mask = on ? 1 : 0, *this; }
    ClassifyOptions &seed(std::int64_t seed) noexcept { return raw_.seed = seed, *this; }
    /// By what is expected of each species, ascending, in any unit, such as cross-sections; none: Z^1.6.
    ClassifyOptions &expected(const std::vector<double> &strengths = {}) {
        constexpr std::size_t most = sizeof raw_.expected / sizeof raw_.expected[0];
        if (strengths.size() > most)
            throw error(AET_ERROR_SHAPE, "got " + std::to_string(strengths.size()) + " strengths, wanted at most " +
                                             std::to_string(most));
        std::fill(std::copy(strengths.begin(), strengths.end(), raw_.expected), raw_.expected + most, 0.0);
        return method(ClassifyMethod::expected);
    }
    const aet_classify_options *get() const noexcept { return &raw_; }

private:
    aet_classify_options raw_{};
};

/// Atoms with species and their probability, and how they came by them: a row per atom that was given, a row per class.
/// See aet_atoms_classify for the columns.
struct Classification {
    Atoms atoms;
    Table table;
    Table classes;
};

namespace detail {

inline Classification classified(const Atoms &atoms, const aet_volume *volume, const ClassifyOptions &options,
                                 const ProgressFunction &progress) {
    Observer observer(progress);
    aet_atoms *kept = nullptr;
    aet_table *table = nullptr, *classes = nullptr;
    const aet_status status = aet_atoms_classify(atoms.get(), volume, options.get(), observer.function(),
                                                 observer.user(), &kept, &table, &classes);
    Classification made{Atoms(kept), Table(table), Table(classes)}; // owns them before anything is thrown
    check(observer.finish(status));
    return made;
}

} // namespace detail

/// Gives atoms their species by the intensities of a volume about them.
inline Classification classify(const Atoms &atoms, const Volume &volume, const ClassifyOptions &options,
                               const ProgressFunction &progress = {}) {
    return detail::classified(atoms, volume.get(), options, progress);
}

/// The same by their heights.
inline Classification classify(const Atoms &atoms, const ClassifyOptions &options) {
    return detail::classified(atoms, nullptr, options, {});
}

// ---- resolution ------------------------------------------------------------------------------------------------

/// What counts in a Fourier shell correlation.
class CorrelationOptions {
public:
    CorrelationOptions() { detail::check(aet_correlation_options_init(&raw_, sizeof raw_)); }
    /// Only frequencies within `half_angle_deg` of the direction (x, y, z).
    CorrelationOptions &cone(double x, double y, double z, double half_angle_deg) noexcept {
        raw_.direction[0] = x, raw_.direction[1] = y, raw_.direction[2] = z;
        return raw_.half_angle_deg = half_angle_deg, *this;
    }
    /// Part of the volume that the specimen fills.
    CorrelationOptions &filling(double part) noexcept { return raw_.filling = part, *this; }
    /// Number of asymmetric units.
    CorrelationOptions &symmetry(double units) noexcept { return raw_.symmetry = units, *this; }
    const aet_correlation_options *get() const noexcept { return &raw_; }

private:
    aet_correlation_options raw_{};
};

/// A Fourier shell correlation, one value per shell, the mean first, and the resolutions that it tells: NaN where the
/// curve stays above its threshold up to the Nyquist frequency, infinite where it begins below.
struct ShellCorrelation {
    std::vector<double> frequency, correlation, half_bit_threshold, coefficients;
    double one_seventh, half_bit, half, nyquist;
    /// The curve [shells, 2] for FilterOptions::curve.
    std::vector<double> curve() const {
        std::vector<double> values;
        for (std::size_t i = 0; i < frequency.size(); ++i) {
            values.push_back(frequency[i]);
            values.push_back(correlation[i]);
        }
        return values;
    }
};

/// The Fourier shell correlation of two volumes, both times `mask` where there is one.
inline ShellCorrelation shell_correlation(const Volume &volume, const Volume &other, const Volume *mask = nullptr,
                                          const CorrelationOptions &options = CorrelationOptions(),
                                          const ProgressFunction &progress = {}) {
    const auto shells = static_cast<std::size_t>(aet_volume_shell_count(volume.get()));
    ShellCorrelation result;
    std::vector<double> *const columns[] = {&result.frequency, &result.correlation, &result.half_bit_threshold,
                                            &result.coefficients};
    std::vector<double> rows(4 * shells);
    const View out(rows, {static_cast<std::int64_t>(shells), 4});
    aet_resolution resolution{};
    resolution.struct_size = sizeof resolution;
    detail::Observer observer(progress);
    detail::check(observer.finish(aet_volume_shell_correlation(
        volume.get(), other.get(), mask == nullptr ? nullptr : mask->get(), options.get(), observer.function(),
        observer.user(), out.get(), &resolution)));
    for (std::size_t i = 0; i < rows.size(); ++i) columns[i % 4]->push_back(rows[i]);
    result.one_seventh = resolution.one_seventh;
    result.half_bit = resolution.half_bit;
    result.half = resolution.half;
    result.nyquist = resolution.nyquist;
    return result;
}

/// The half set of each image: 0 and 1 for every other tilt in use, -1 for excluded images.
inline std::vector<std::int32_t> half_sets(const TiltSeries &series) {
    std::vector<std::int32_t> half(static_cast<std::size_t>(series.image_count()));
    detail::check(aet_dataset_half_sets(series.get(), half.data(), static_cast<std::int64_t>(half.size())));
    return half;
}

// ---- tracing with a lattice ------------------------------------------------------------------------------------

/// What became of a site of a lattice: the codes of the column `state`.
enum class SiteState : std::int32_t {
    found = AET_SITE_STATE_FOUND,
    displaced = AET_SITE_STATE_DISPLACED,
    merged = AET_SITE_STATE_MERGED,
    weak = AET_SITE_STATE_WEAK,
    lost = AET_SITE_STATE_LOST,
};

/// How a crystal is registered and its sites are climbed; lengths in A. What is not set is automatic.
class LatticeOptions {
public:
    LatticeOptions() { detail::check(aet_lattice_options_init(&raw_, sizeof raw_)); }
    /// Lattice vectors a, b, c (rows) in the place of the cell of the crystal's atoms.
    LatticeOptions &vectors(const Atoms::Matrix &rows) noexcept { return copy(rows, raw_.vectors), *this; }
    /// Rotation R of the crystal to start from, p = R r, and the largest angle to it, degrees (0: 10).
    LatticeOptions &rotation(const Atoms::Matrix &rotation, double within_deg = 0.0) noexcept {
        copy(rotation, raw_.rotation);
        return raw_.rotation_within_deg = within_deg, *this;
    }
    /// Edge of the cube whose spectrum is taken, and its middle (x, y, z).
    LatticeOptions &region(double edge, const std::array<double, 3> &centre = {}) noexcept {
        std::copy(centre.begin(), centre.end(), raw_.region_centre);
        return raw_.region_edge = edge, *this;
    }
    /// Standard deviation of the smoothing, voxels.
    LatticeOptions &smoothing(double sigma) noexcept { return raw_.smoothing = sigma, *this; }
    /// Standard deviation of the average that is taken away as the slowly varying part.
    LatticeOptions &background(double sigma) noexcept { return raw_.background = sigma, *this; }
    LatticeOptions &keep_background(bool on) noexcept { return raw_.keep_background = on ? 1 : 0, *this; }
    LatticeOptions &reach(double length) noexcept { return raw_.reach = length, *this; }
    LatticeOptions &displaced(double length) noexcept { return raw_.displaced = length, *this; }
    /// Smallest height as a part of the median of the species.
    LatticeOptions &threshold(double part) noexcept { return raw_.threshold = part, *this; }
    /// Atomic number of the sites that are traced; 0: all.
    LatticeOptions &species(std::int32_t atomic_number) noexcept { return raw_.species = atomic_number, *this; }
    const aet_lattice_options *get() const noexcept { return &raw_; }

private:
    static void copy(const Atoms::Matrix &rows, double (&out)[9]) noexcept {
        for (std::size_t i = 0; i < 9; ++i) out[i] = rows[i / 3][i % 3];
    }

    aet_lattice_options raw_{};
};

/// Atoms found from the sites of a lattice, and a table of all sites: columns and values as of aet_volume_trace_lattice.
struct LatticeTrace {
    Atoms atoms;
    Table sites;
};

/// Registers a crystal, the atoms of one cell, to a volume and climbs from each of its sites to the maximum above it; only
/// sites in `mask` count, where there is one.
inline LatticeTrace trace_lattice(const Volume &volume, const Atoms &crystal, const Volume *mask = nullptr,
                                  const LatticeOptions &options = LatticeOptions(),
                                  const ProgressFunction &progress = {}) {
    detail::Observer observer(progress);
    aet_atoms *atoms = nullptr;
    aet_table *sites = nullptr;
    detail::check(observer.finish(aet_volume_trace_lattice(
        volume.get(), crystal.get(), mask == nullptr ? nullptr : mask->get(), options.get(), observer.function(),
        observer.user(), &atoms, &sites)));
    return {Atoms(atoms), Table(sites)};
}

// ---- detectors -------------------------------------------------------------------------------------------------

/// What makes signals of diffraction patterns; immutable, described without a grid.
class Detector {
public:
    /// Description of a detector; a member that its kind has no use for must be left alone.
    class Options {
    public:
        explicit Options(DetectorKind kind = DetectorKind::annular) {
            detail::check(aet_detector_options_init(&raw_, sizeof raw_));
            raw_.kind = static_cast<std::int32_t>(kind);
        }
        /// Inner angle of annular, flexible and segmented detectors, mrad.
        Options &inner_mrad(double angle) noexcept { return raw_.inner_mrad = angle, *this; }
        /// Outer angle, mrad; 0: the whole pattern. Flexible and segmented detectors need one.
        Options &outer_mrad(double angle) noexcept { return raw_.outer_mrad = angle, *this; }
        /// Width of the rings of a flexible detector, mrad; 0: 1.
        Options &step_mrad(double width) noexcept { return raw_.step_mrad = width, *this; }
        /// Azimuth at which the first segment begins, degree.
        Options &rotation_deg(double azimuth) noexcept { return raw_.rotation_deg = azimuth, *this; }
        /// Rings of a segmented detector and segments of each; 0: 1 and 4.
        Options &bins(std::int32_t radial, std::int32_t azimuthal) noexcept {
            return raw_.radial_bins = radial, raw_.azimuthal_bins = azimuthal, *this;
        }
        /// Rows and columns of a pixelated detector, after binning.
        Options &shape(std::int64_t rows, std::int64_t columns) noexcept {
            return raw_.rows = rows, raw_.columns = columns, *this;
        }
        /// Pattern pixels per pixel of a pixelated detector; 0: 1.
        Options &binning(std::int32_t pixels) noexcept { return raw_.binning = pixels, *this; }
        /// Centre of mass without the division by the intensity.
        Options &unnormalized(bool on) noexcept { return raw_.unnormalized = on ? 1 : 0, *this; }
        /// Angles from row to row and from column to column of the sensitivity map, mrad; 0: as from row to row.
        Options &sensitivity_steps_mrad(double row, double column = 0) noexcept {
            raw_.sensitivity_row_step_mrad = row;
            return raw_.sensitivity_column_step_mrad = column, *this;
        }
        const aet_detector_options *get() const noexcept { return &raw_; }

    private:
        aet_detector_options raw_{};
    };

    /// Sampling of diffraction patterns.
    class Patterns {
    public:
        /// Angles from row to row and from column to column, mrad; 0: as from row to row.
        explicit Patterns(double row_step_mrad, double column_step_mrad = 0) {
            detail::check(aet_pattern_options_init(&raw_, sizeof raw_));
            raw_.row_step_mrad = row_step_mrad;
            raw_.column_step_mrad = column_step_mrad;
        }
        /// Energy of the beam, eV; centres of mass need it.
        Patterns &energy_ev(double energy) noexcept { return raw_.energy_ev = energy, *this; }
        Patterns &order(PatternOrder order) noexcept {
            return raw_.order = static_cast<std::int32_t>(order), *this;
        }
        const aet_pattern_options *get() const noexcept { return &raw_; }

    private:
        aet_pattern_options raw_{};
    };

    explicit Detector(const Options &options) : Detector(options, nullptr) {}
    /// With a map of efficiencies [rows, columns], zero angle at n / 2, by which patterns are multiplied first.
    Detector(const Options &options, const ConstView &sensitivity) : Detector(options, sensitivity.get()) {}
    /// Takes over a handle of the C interface.
    explicit Detector(aet_detector *owned) noexcept : handle_(owned) {}

    DetectorKind kind() const noexcept { return static_cast<DetectorKind>(aet_detector_get_kind(get())); }
    /// Shape of the signal of one pattern of `rows` x `columns` pixels; empty for one number.
    Shape signal_shape(const Patterns &sampling, std::int64_t rows, std::int64_t columns) const {
        std::int32_t ndim = 0;
        std::array<std::int64_t, 2> shape{};
        detail::check(aet_detector_shape(get(), sampling.get(), rows, columns, &ndim, shape.data()));
        return Shape(shape.begin(), shape.begin() + ndim);
    }
    /// Signals of patterns [..., rows, columns] into a real view [..., signal]: the scan axes, then those of the signal.
    void measure(const Context &context, const ConstView &patterns, const Patterns &sampling, const View &out,
                 const ProgressFunction &progress = {}) const {
        detail::Observer observer(progress);
        detail::check(observer.finish(aet_detector_measure(get(), context.get(), patterns.get(), sampling.get(),
                                                           observer.function(), observer.user(), out.get())));
    }
    /// The same as a vector, row-major.
    std::vector<double> measure(const Context &context, const ConstView &patterns, const Patterns &sampling,
                                const ProgressFunction &progress = {}) const {
        const aet_const_view &view = *patterns.get();
        const std::int32_t scan_axes = std::max(view.ndim - 2, 0);
        Shape shape(view.shape, view.shape + scan_axes);
        if (view.ndim >= 2) {
            const Shape signal = signal_shape(sampling, view.shape[scan_axes], view.shape[scan_axes + 1]);
            shape.insert(shape.end(), signal.begin(), signal.end());
        }
        std::vector<double> values(detail::element_count(shape));
        measure(context, patterns, sampling, View(values.data(), shape), progress);
        return values;
    }

    aet_detector *get() const noexcept { return handle_.get(); }

private:
    Detector(const Options &options, const aet_const_view *sensitivity) {
        aet_detector *created = nullptr;
        detail::check(aet_detector_create(options.get(), sensitivity, &created));
        handle_.reset(created);
    }

    detail::Handle<aet_detector, aet_detector_free> handle_;
};

/// Integrates centres of mass [rows, columns, 2] (x and y, 1/A) of a scan with steps between rows and columns (A) into
/// the image [rows, columns], row-major and of mean 0, whose gradient fits them best (iCOM).
inline std::vector<double> integrate_center_of_mass(const ConstView &field, double row_step, double column_step) {
    const aet_const_view &view = *field.get();
    const Shape shape(view.shape, view.shape + std::min(view.ndim, std::int32_t{2}));
    std::vector<double> image(detail::element_count(shape));
    const View out(image.data(), shape);
    detail::check(aet_integrate_center_of_mass(field.get(), row_step, column_step, out.get()));
    return image;
}

/// What an annular detector sees of one atom.
struct AdfTransfer {
    /// Cross-section for the detector, A^2: pi B H of the orbital that stands for the atom.
    double cross_section = 0;
    /// Part of all that the atom scatters that the detector catches.
    double collected = 0;
};

/// Of an element (atomic number) for a detector from inner to outer mrad, see aet_adf_transfer.
inline AdfTransfer adf_transfer(double energy_ev, double inner_mrad, double outer_mrad, int species,
                                Parametrization parametrization = Parametrization::lobato) {
    AdfTransfer seen;
    detail::check(aet_adf_transfer(energy_ev, inner_mrad, outer_mrad, static_cast<std::int32_t>(parametrization),
                                   species, &seen.cross_section, &seen.collected));
    return seen;
}

// ---- reconstruction --------------------------------------------------------------------------------------------

/// A consistent copy of a running reconstruction.
class Snapshot {
public:
    /// Takes over a handle of the C interface.
    explicit Snapshot(aet_snapshot *owned) noexcept : handle_(owned) {}

    std::int64_t iteration() const noexcept { return aet_snapshot_iteration(get()); }
    double loss() const noexcept { return aet_snapshot_loss(get()); }
    std::uint64_t generation() const noexcept { return aet_snapshot_generation(get()); }
    Atoms atoms() const {
        aet_atoms *created = nullptr;
        detail::check(aet_snapshot_get_atoms(get(), &created));
        return Atoms(created);
    }
    /// Of a Tomography; the threads of `context` work on it.
    Volume volume(const Context &context) const {
        aet_volume *created = nullptr;
        detail::check(aet_snapshot_get_volume(context.get(), get(), &created));
        return Volume(created);
    }
    aet_snapshot *get() const noexcept { return handle_.get(); }

private:
    detail::Handle<aet_snapshot, aet_snapshot_free> handle_;
};

/// A named group of parameters.
struct Block {
    std::string name, unit;
    Shape shape;
    std::int64_t size = 0;
    /// First element in the parameter vector, -1 where frozen.
    std::int64_t offset = -1;
    /// A typical step: optimise x / scale to mix degrees, angstrom and intensities.
    double scale = 1;
    double lower = 0, upper = 0;
    bool frozen = false;
};

/// Refined geometry of the images.
struct Geometry {
    /// [images, 3, 3]
    std::vector<double> rotations;
    /// [images, 2], A
    std::vector<double> drift;
    /// [images], A
    std::vector<double> defocus;
};

/// How a run works and when it ends. What is not set is automatic.
class RunOptions {
public:
    RunOptions() { detail::check(aet_run_options_init(&raw_, sizeof raw_)); }
    RunOptions &max_iterations(std::int32_t count) noexcept { return raw_.max_iterations = count, *this; }
    /// s
    RunOptions &max_seconds(double seconds) noexcept { return raw_.max_seconds = seconds, *this; }
    /// Relative change of the loss per iteration.
    RunOptions &loss_tolerance(double change) noexcept { return raw_.loss_tolerance = change, *this; }
    /// Norm of the scaled gradient.
    RunOptions &gradient_tolerance(double norm) noexcept { return raw_.gradient_tolerance = norm, *this; }
    RunOptions &optimizer(Optimizer method) noexcept {
        return raw_.optimizer = static_cast<std::int32_t>(method), *this;
    }
    /// Adam: part of the tilts in one mini-batch, up to 1.
    RunOptions &batch_fraction(double part) noexcept { return raw_.batch_fraction = part, *this; }
    /// Adam: seed of the order of the tilts.
    RunOptions &seed(std::int64_t number) noexcept { return raw_.seed = number, *this; }
    const aet_run_options *get() const noexcept { return &raw_; }

private:
    aet_run_options raw_{};
};

/// How standard errors are estimated. What is not set is automatic.
class ErrorOptions {
public:
    ErrorOptions() { detail::check(aet_error_options_init(&raw_, sizeof raw_)); }
    ErrorOptions &method(ErrorMethod method) noexcept {
        return raw_.method = static_cast<std::int32_t>(method), *this;
    }
    ErrorOptions &noise(NoiseModel noise) noexcept { return raw_.noise = static_cast<std::int32_t>(noise), *this; }
    /// Neighbours of the local method, A.
    ErrorOptions &radius(double radius) noexcept { return raw_.radius = radius, *this; }
    const aet_error_options *get() const noexcept { return &raw_; }

private:
    aet_error_options raw_{};
};

/// Atoms with their column `standard_error`, and what was found beside it.
struct ErrorEstimate {
    Atoms atoms;
    /// Unit of the images; NaN where heights are shared or frozen.
    std::vector<double> height_errors;
    /// sqrt(mean of the summed variances), pm.
    double predicted_rmsd_pm;
    /// Atoms with an error that is infinite or longer than 0.9 A.
    std::int64_t undetermined;
    ErrorMethod method;
    NoiseModel noise;
};

/// A term of the loss on one block: gets its values (row-major) and returns the loss; where `gradient` is not null it
/// fills that many derivatives. Evaluations on several threads call it on all of them at once. An exception ends the
/// call of the library and is thrown again by it.
using TermFunction = std::function<double(const std::vector<double> &values, double *gradient)>;
/// Moves the free parameters x in place, after every step.
using ProjectionFunction = std::function<void(std::vector<double> &x)>;

namespace detail {

inline std::int32_t call_term(void *user, const aet_const_view *values, double *loss,
                              const aet_view *gradient) noexcept {
    try {
        const auto *first = static_cast<const double *>(values->data);
        std::size_t count = 1;
        for (std::int32_t axis = 0; axis < values->ndim; ++axis) count *= static_cast<std::size_t>(values->shape[axis]);
        auto *to = gradient != nullptr ? static_cast<double *>(gradient->data) : nullptr;
        *loss = (*static_cast<const TermFunction *>(user))(std::vector<double>(first, first + count), to);
        return 0;
    } catch (...) {
        thrown_by_host() = std::current_exception();
        return 1;
    }
}

inline std::int32_t call_projection(void *user, const aet_view *x) noexcept {
    try {
        auto *first = static_cast<double *>(x->data);
        std::vector<double> values(first, first + x->shape[0]);
        const std::size_t count = values.size();
        (*static_cast<const ProjectionFunction *>(user))(values);
        if (values.size() != count) {
            throw error(AET_ERROR_SHAPE, "the projection made " + std::to_string(values.size()) +
                                             " parameters of " + std::to_string(count));
        }
        std::copy(values.begin(), values.end(), first);
        return 0;
    } catch (...) {
        thrown_by_host() = std::current_exception();
        return 1;
    }
}

} // namespace detail

/// The state that is fitted to a tilt series: parameters in named blocks, their loss and its gradient, an optimiser.
class Reconstruction {
public:
    /// Indices of images to evaluate; empty: all that are not excluded.
    using Images = std::vector<std::int64_t>;

    /// Takes over a handle of the C interface.
    explicit Reconstruction(aet_recon *owned) noexcept : handle_(owned) {}

    /// Continues from a saved state, with the same numbers to the last bit.
    static Reconstruction load(const Context &context, const TiltSeries &series, const Probe &probe,
                               const std::string &path) {
        return load(context, series, probe.get(), path);
    }
    /// The same for models without a probe.
    static Reconstruction load(const Context &context, const TiltSeries &series, const std::string &path) {
        return load(context, series, nullptr, path);
    }
    void save(const std::string &path) const { detail::check(aet_recon_save(get(), path.c_str())); }

    /// Bytes that a run needs.
    std::uint64_t memory_estimate() const {
        std::uint64_t bytes = 0;
        detail::check(aet_recon_memory_estimate(get(), &bytes));
        return bytes;
    }
    /// Rises whenever the length or the meaning of the parameter vector changes.
    std::uint64_t generation() const noexcept { return aet_recon_generation(get()); }

    // Parameters

    std::vector<Block> blocks() const {
        std::vector<Block> blocks;
        const std::int64_t count = aet_recon_block_count(get());
        for (std::int64_t index = 0; index < count; ++index) {
            aet_block raw{};
            raw.struct_size = sizeof raw;
            detail::check(aet_recon_parameter_layout(get(), index, &raw));
            Block block;
            block.name = raw.name;
            block.unit = raw.unit;
            block.shape.assign(raw.shape, raw.shape + raw.ndim);
            block.size = raw.size;
            block.offset = raw.offset;
            block.scale = raw.scale;
            block.lower = raw.lower;
            block.upper = raw.upper;
            block.frozen = raw.frozen != 0;
            blocks.push_back(std::move(block));
        }
        return blocks;
    }
    /// Length of the parameter vector, which holds the free blocks one after the other.
    std::size_t parameter_count() const noexcept {
        return static_cast<std::size_t>(aet_recon_parameter_count(get()));
    }
    std::vector<double> parameters() const {
        std::vector<double> x(parameter_count());
        detail::check(aet_recon_get_parameters(get(), length(x), x.data()));
        return x;
    }
    void set_parameters(const std::vector<double> &x) {
        detail::check(aet_recon_set_parameters(get(), length(x), x.data()));
    }
    /// Values of one block, frozen or free, row-major.
    template <class T = double>
    std::vector<T> block(const std::string &name) const {
        const Shape shape = block_shape(name);
        std::vector<T> values(detail::element_count(shape));
        const View out(values, shape);
        detail::check(aet_recon_get_block(get(), name.c_str(), out.get()));
        return values;
    }
    void set_block(const std::string &name, const ConstView &values) {
        detail::check(aet_recon_set_block(get(), name.c_str(), values.get()));
    }
    template <class T>
    void set_block(const std::string &name, const std::vector<T> &values) {
        set_block(name, ConstView(values, block_shape(name)));
    }
    /// Takes a block out of the parameter vector, or puts it in; raises the generation.
    void freeze(const std::string &name, bool frozen = true) {
        detail::check(aet_recon_freeze(get(), name.c_str(), frozen ? 1 : 0));
    }

    // Evaluation: const, from any number of threads

    /// Loss at x; writes its gradient where `gradient` is not null. For optimisers that own the memory.
    double loss_and_gradient(std::size_t n, const double *x, double *gradient, const Images &images = {}) const {
        double loss = 0;
        detail::check(detail::unless_thrown(aet_recon_loss_and_gradient(
            get(), static_cast<std::int64_t>(n), x, pointer(images), length(images), &loss, gradient, nullptr)));
        return loss;
    }
    /// Loss at x and its gradient, over all images or a subset of them.
    double loss_and_gradient(const std::vector<double> &x, std::vector<double> &gradient,
                             const Images &images = {}) const {
        gradient.resize(x.size());
        return loss_and_gradient(x.size(), x.data(), gradient.data(), images);
    }
    double loss(const std::vector<double> &x, const Images &images = {}) const {
        return loss_and_gradient(x.size(), x.data(), nullptr, images);
    }
    /// Loss of each of the images named.
    std::vector<double> image_losses(const std::vector<double> &x, const Images &images) const {
        if (images.empty()) throw error(AET_ERROR_EMPTY, "argument `images` is empty, wanted image indices");
        std::vector<double> losses(images.size());
        double loss = 0;
        detail::check(detail::unless_thrown(aet_recon_loss_and_gradient(
            get(), length(x), x.data(), pointer(images), length(images), &loss, nullptr, losses.data())));
        return losses;
    }
    /// Calculated images at x, into a view [images, rows, columns].
    void predict(const std::vector<double> &x, const Images &images, const View &out) const {
        detail::check(
            aet_recon_predict(get(), length(x), x.data(), pointer(images), length(images), out.get()));
    }
    /// Gradient of sum(residuals * predicted) with respect to x: the derivative of a loss of the host's own.
    std::vector<double> pull_back(const std::vector<double> &x, const Images &images,
                                  const ConstView &residuals) const {
        std::vector<double> gradient(x.size());
        detail::check(aet_recon_pull_back(get(), length(x), x.data(), pointer(images), length(images),
                                          residuals.get(), gradient.data()));
        return gradient;
    }

    // Second order

    /// Change of the images at x per unit of a direction of x, into a view [images, rows, columns].
    void push_forward(const std::vector<double> &x, const std::vector<double> &direction, const Images &images,
                      const View &out) const {
        same_length(x, direction);
        detail::check(aet_recon_push_forward(get(), length(x), x.data(), pointer(images), length(images),
                                             direction.data(), out.get()));
    }
    /// Product of a direction with the Gauss-Newton (Fisher) matrix of the loss at x.
    std::vector<double> gauss_newton_product(const std::vector<double> &x, const std::vector<double> &direction,
                                             const Images &images = {}) const {
        same_length(x, direction);
        std::vector<double> product(x.size());
        detail::check(aet_recon_gauss_newton_product(get(), length(x), x.data(), pointer(images), length(images),
                                                     direction.data(), product.data()));
        return product;
    }
    /// Estimate of its diagonal from `probes` random vectors, 0: 16.
    std::vector<double> gauss_newton_diagonal(const std::vector<double> &x, const Images &images = {},
                                              std::int32_t probes = 0) const {
        std::vector<double> diagonal(x.size());
        detail::check(aet_recon_gauss_newton_diagonal(get(), length(x), x.data(), pointer(images), length(images),
                                                      probes, diagonal.data()));
        return diagonal;
    }
    /// For every value of the present parameter vector its index in that of an earlier generation, or -1.
    std::vector<std::int64_t> index_map(std::uint64_t generation) const {
        std::vector<std::int64_t> map(parameter_count());
        detail::check(aet_recon_index_map(get(), generation, length(map), map.data()));
        return map;
    }

    // Terms of the host

    /// Adds weight times a function of one block to the loss of evaluations, steps and runs.
    void add_term(const std::string &block, double weight, TermFunction function) {
        auto kept = std::make_shared<TermFunction>(std::move(function));
        detail::check(aet_recon_add_term(get(), block.c_str(), weight, &detail::call_term, kept.get()));
        functions_.push_back(std::move(kept));
    }
    /// Moves the free parameters after every step; an empty function ends that.
    void set_projection(ProjectionFunction function) {
        const bool acts = static_cast<bool>(function);
        auto kept = std::make_shared<ProjectionFunction>(std::move(function));
        detail::check(aet_recon_set_projection(get(), acts ? &detail::call_projection : nullptr, kept.get()));
        functions_.push_back(std::move(kept));
    }
    /// Takes terms and projection away.
    void clear_terms() {
        detail::check(aet_recon_clear_terms(get()));
        functions_.clear();
    }

    // Driving

    /// One iteration. \return empty while there is more to do.
    std::optional<Outcome> step(const ProgressFunction &progress = {}) {
        detail::Observer observer(progress);
        return detail::outcome(
            detail::unless_thrown(observer.finish(aet_recon_step(get(), observer.function(), observer.user()))));
    }
    /// Iterates until one of the stopping rules holds; cancelling keeps the best state.
    Outcome run(const RunOptions &options = RunOptions(), const ProgressFunction &progress = {}) {
        detail::Observer observer(progress);
        const aet_status status =
            detail::unless_thrown(
                observer.finish(aet_recon_run(get(), options.get(), observer.function(), observer.user())));
        return detail::outcome(status).value_or(Outcome::converged);
    }
    Outcome run(std::int32_t max_iterations, const ProgressFunction &progress = {}) {
        return run(RunOptions().max_iterations(max_iterations), progress);
    }

    // Results

    /// A column of the history: iteration, loss, r_factor, r_free, gradient_norm, step, seconds, evaluations,
    /// generation, dataset_version, optimizer.
    std::vector<double> history(const std::string &name) const {
        std::vector<double> values(static_cast<std::size_t>(aet_recon_history_count(get())));
        const View out(values);
        detail::check(aet_recon_copy_history(get(), name.c_str(), out.get()));
        return values;
    }
    /// R factor of each image with scale and background fitted, NaN where excluded.
    std::vector<double> r_factors() const {
        std::vector<double> values(image_count());
        const View out(values);
        detail::check(aet_recon_copy_r_factors(get(), out.get()));
        return values;
    }
    /// The same as a table: image, tilt, section, defocus (A), r_factor; values r_factor (mean) and largest.
    Table r_factor_table() const {
        aet_table *created = nullptr;
        detail::check(aet_recon_r_factor_table(get(), &created));
        return Table(created);
    }
    /// JSON: options used, versions, instruction set, why the latest run ended, timings.
    std::string record() const {
        return detail::read_text([this](char *buffer, std::size_t capacity, std::size_t *needed) {
            return aet_recon_record(get(), buffer, capacity, needed);
        });
    }
    /// Of a LocalOrbital.
    Atoms atoms() const {
        aet_atoms *created = nullptr;
        detail::check(aet_recon_get_atoms(get(), &created));
        return Atoms(created);
    }
    /// Of a Tomography; any thread, also while a run works.
    Volume volume() const {
        aet_volume *created = nullptr;
        detail::check(aet_recon_get_volume(get(), &created));
        return Volume(created);
    }
    /// Standard errors of the atoms of the latest state; cancelling throws AET_CANCELLED.
    ErrorEstimate estimate_errors(const ErrorOptions &options = ErrorOptions(),
                                  const ProgressFunction &progress = {}) const {
        detail::Observer observer(progress);
        aet_error_report report{};
        report.struct_size = sizeof report;
        std::vector<double> heights(static_cast<std::size_t>(block_shape("positions").at(0)));
        const View out(heights);
        aet_atoms *created = nullptr;
        detail::check(observer.finish(aet_recon_estimate_errors(get(), options.get(), observer.function(),
                                                                observer.user(), &created, out.get(), &report)));
        return {Atoms(created), std::move(heights), report.predicted_rmsd_pm, report.undetermined,
                static_cast<ErrorMethod>(report.method), static_cast<NoiseModel>(report.noise)};
    }
    /// Standard errors of values of the free block `name`, row-major: optics, drift, angles, intensities, or atoms exactly.
    /// `rows` are places along the first axis of the block; empty: all. At most 1000 values, infinite where the images do not
    /// determine one. Cancelling throws AET_CANCELLED.
    std::vector<double> block_errors(const std::string &name, const std::vector<std::int64_t> &rows = {},
                                     NoiseModel noise = NoiseModel::automatic,
                                     const ProgressFunction &progress = {}) const {
        detail::Observer observer(progress);
        Shape shape = block_shape(name);
        if (!rows.empty()) shape.front() = length(rows);
        std::vector<double> errors(detail::element_count(shape));
        const View out(errors, shape);
        detail::check(observer.finish(aet_recon_block_errors(get(), name.c_str(), rows.empty() ? nullptr : rows.data(),
                                                             length(rows), static_cast<std::int32_t>(noise),
                                                             observer.function(), observer.user(), out.get())));
        return errors;
    }
    /// The shape of the atoms that fits the images best at the latest state, of terms of these widths s (at most 10, in units
    /// of B; none: 0.5, 1, 2, 4, 8 and 16). Cancelling throws AET_CANCELLED.
    Orbital fit_orbital(const std::vector<double> &widths = {}, const ProgressFunction &progress = {}) const {
        detail::Observer observer(progress);
        std::optional<ConstView> view;
        if (!widths.empty()) view.emplace(widths);
        aet_orbital *created = nullptr;
        detail::check(observer.finish(aet_recon_fit_orbital(get(), view ? view->get() : nullptr, observer.function(),
                                                            observer.user(), &created)));
        return Orbital(created);
    }
    Geometry geometry() const {
        const std::size_t count = image_count();
        const auto n = static_cast<std::int64_t>(count);
        Geometry geometry{std::vector<double>(9 * count), std::vector<double>(2 * count), std::vector<double>(count)};
        const View rotations(geometry.rotations, {n, 3, 3}), drift(geometry.drift, {n, 2}), defocus(geometry.defocus);
        detail::check(aet_recon_get_geometry(get(), rotations.get(), drift.get(), defocus.get()));
        return geometry;
    }
    /// The latest consistent state; any thread, also while a run works.
    Snapshot snapshot() const {
        aet_snapshot *created = nullptr;
        detail::check(aet_recon_snapshot(get(), &created));
        return Snapshot(created);
    }

    // Research knobs

    static std::vector<std::string> param_names() {
        std::vector<std::string> names(static_cast<std::size_t>(aet_recon_param_count()));
        for (std::size_t i = 0; i < names.size(); ++i) {
            const char *name = aet_recon_param_name(static_cast<std::int64_t>(i));
            if (name != nullptr) names[i] = name;
        }
        return names;
    }
    double param(const std::string &name) const {
        double value = 0;
        detail::check(aet_recon_get_param(get(), name.c_str(), &value));
        return value;
    }
    void set_param(const std::string &name, double value) {
        detail::check(aet_recon_set_param(get(), name.c_str(), value));
    }

    aet_recon *get() const noexcept { return handle_.get(); }

private:
    static Reconstruction load(const Context &context, const TiltSeries &series, const aet_probe *probe,
                               const std::string &path) {
        aet_recon *created = nullptr;
        detail::check(aet_recon_load(context.get(), series.get(), probe, path.c_str(), &created));
        return Reconstruction(created);
    }
    template <class T>
    static std::int64_t length(const std::vector<T> &values) noexcept {
        return static_cast<std::int64_t>(values.size());
    }
    static void same_length(const std::vector<double> &x, const std::vector<double> &direction) {
        if (x.size() == direction.size()) return;
        throw error(AET_ERROR_SHAPE, "argument `direction` has " + std::to_string(direction.size()) +
                                         " values, wanted " + std::to_string(x.size()) + ", as many as x");
    }
    static const std::int64_t *pointer(const Images &images) noexcept {
        return images.empty() ? nullptr : images.data();
    }
    Shape block_shape(const std::string &name) const {
        for (const Block &block : blocks()) {
            if (block.name == name) return block.shape;
        }
        throw error(AET_ERROR_UNKNOWN_OPTION, "unknown block `" + name + "`");
    }
    /// Images of the dataset version that the reconstruction works on.
    std::size_t image_count() const { return static_cast<std::size_t>(block_shape("scale").at(0)); }

    /// Functions that the library keeps pointers to: declared before the handle, so that they outlive it.
    std::vector<std::shared_ptr<void>> functions_;
    detail::Handle<aet_recon, aet_recon_free> handle_;
};

/// Local-orbital tomography: every atom is a Gaussian H exp(-rho^2 / B), or has the shape of an Orbital, imaged by a
/// probe.
class LocalOrbital : public Reconstruction {
public:
    class Options {
    public:
        Options() { detail::check(aet_lot_options_init(&raw_, sizeof raw_)); }
        Options &model(Model model) noexcept { return raw_.model = static_cast<std::int32_t>(model), *this; }
        Options &loss(Loss loss) noexcept { return raw_.loss = static_cast<std::int32_t>(loss), *this; }
        Options &slicing(Slicing slicing) noexcept {
            return raw_.slicing = static_cast<std::int32_t>(slicing), *this;
        }
        Options &precision(Precision precision) noexcept {
            return raw_.precision = static_cast<std::int32_t>(precision), *this;
        }
        Options &height_sharing(Sharing sharing) noexcept {
            return raw_.height_sharing = static_cast<std::int32_t>(sharing), *this;
        }
        Options &width_sharing(Sharing sharing) noexcept {
            return raw_.width_sharing = static_cast<std::int32_t>(sharing), *this;
        }
        Options &mode(DepthMode mode) noexcept { return raw_.mode = static_cast<std::int32_t>(mode), *this; }
        /// A; 0: 4 A.
        Options &slice_thickness(double thickness) noexcept { return raw_.slice_thickness = thickness, *this; }
        /// Widths B at the start, A^2; 0: the atoms' own, else 0.5.
        Options &width_start(double width) noexcept { return raw_.width_start = width, *this; }
        /// Bounds of the widths B, A^2; 0: automatic.
        Options &width_bounds(double lower, double upper) noexcept {
            return raw_.width_min = lower, raw_.width_max = upper, *this;
        }
        /// Half width of an atom's window in units of sqrt(B); 0: automatic.
        Options &cutoff(double half_width) noexcept { return raw_.cutoff = half_width, *this; }
        /// Bytes; 0: no limit.
        Options &memory_limit(double bytes) noexcept { return raw_.memory_limit = bytes, *this; }
        /// Loss huber beyond a difference of `threshold`, in the unit of the images; 0: from the residuals at the start.
        Options &huber(double threshold = 0) noexcept {
            return raw_.loss = AET_LOSS_HUBER, raw_.huber_threshold = threshold, *this;
        }
        /// Largest error of templates and knots, relative to an atom in focus; 0: 2e-4, of knots 5e-3.
        Options &depth_error(double error) noexcept { return raw_.depth_error = error, *this; }
        /// Pixels of the adaptive model's probes: which images share them, and the edge of their squares (odd; 0: automatic).
        Options &probes(ProbeSharing sharing, int side = 0) noexcept {
            return raw_.probe_sharing = static_cast<std::int32_t>(sharing), raw_.probe_side = side, *this;
        }
        /// Weight of differences between neighbouring pixels of these probes; 0: none.
        Options &probe_smoothness(double weight) noexcept { return raw_.probe_smoothness = weight, *this; }
        /// Shape of the orbitals; without it the Gaussian. Options, and their copies, keep it alive.
        Options &orbital(const Orbital &orbital) noexcept {
            orbital_ = orbital;
            return raw_.orbital = orbital.get(), *this;
        }
        const aet_lot_options *get() const noexcept { return &raw_; }

    private:
        aet_lot_options raw_{};
        std::optional<Orbital> orbital_; // what raw_ points to
    };

    LocalOrbital(const Context &context, const TiltSeries &series, const Probe &probe, const Atoms &start,
                 const Options &options = Options())
        : Reconstruction(create(context, series, probe.get(), start, options)) {}
    /// Without a probe: the direct model.
    LocalOrbital(const Context &context, const TiltSeries &series, const Atoms &start,
                 const Options &options = Options())
        : Reconstruction(create(context, series, nullptr, start, options)) {}

    /// With other options from the latest state on: direct, rigid and adaptive follow each other.
    LocalOrbital continued(const Options &options) const {
        aet_recon *created = nullptr;
        detail::check(aet_recon_continue_lot(get(), options.get(), &created));
        return LocalOrbital(created);
    }
    /// Looks for the defocus of every section, up to `range` from the recorded one in steps of `step` (A; 0: 60 and 6), with a
    /// part of the tilts (0: 0.25), and sets block `defocus`. Columns section, defocus, misfit. Cancelling throws AET_CANCELLED.
    Table scan_defocus(double range = 0, double step = 0, double tilts = 0, const ProgressFunction &progress = {}) {
        detail::Observer observer(progress);
        aet_table *created = nullptr;
        detail::check(observer.finish(
            aet_recon_scan_defocus(get(), range, step, tilts, observer.function(), observer.user(), &created)));
        return Table(created);
    }
    /// How the probes of the latest state spread along the beam: section, image, depth (A), sum, x, y (A), half_radius (A),
    /// peak; values focus_0, ... (A).
    Table probe_table() const {
        aet_table *created = nullptr;
        detail::check(aet_recon_probe_table(get(), &created));
        return Table(created);
    }
    /// Pixels around the beam at each depth.
    struct Probes {
        std::vector<double> depths; ///< A
        std::size_t side;
        std::vector<double> values; ///< [depths][side][side]
    };
    Probes probe_images(std::int64_t image) const {
        std::int64_t slices = 0, side = 0;
        detail::check(aet_recon_probe_images(get(), image, &slices, &side, nullptr, nullptr));
        const auto edge = static_cast<std::size_t>(side), count = static_cast<std::size_t>(slices);
        Probes probes{std::vector<double>(count), edge, std::vector<double>(count * edge * edge)};
        const View depths(probes.depths), values(probes.values, {slices, side, side});
        detail::check(aet_recon_probe_images(get(), image, &slices, &side, depths.get(), values.get()));
        return probes;
    }

private:
    explicit LocalOrbital(aet_recon *created) : Reconstruction(created) {}
    static aet_recon *create(const Context &context, const TiltSeries &series, const aet_probe *probe,
                             const Atoms &start, const Options &options) {
        aet_recon *created = nullptr;
        detail::check(
            aet_recon_create_lot(context.get(), series.get(), probe, start.get(), options.get(), &created));
        return created;
    }
};

/// Volume tomography: image i is s_i A_i V + c_i of a volume V, by default free alone. Runs iterate the method of the options
/// on the volume; optimisers of the host may drive the other blocks, too.
class Tomography : public Reconstruction {
public:
    using Options = TomographyOptions;

    Tomography(const Context &context, const TiltSeries &series, const Options &options = Options())
        : Reconstruction(create(context, series, options)) {}

    /// Bytes that such a reconstruction needs at most beside the series.
    static std::uint64_t estimate_memory(const TiltSeries &series, const Options &options = Options()) {
        std::uint64_t bytes = 0;
        detail::check(aet_tomography_estimate_memory(series.get(), options.get(), &bytes));
        return bytes;
    }

private:
    static aet_recon *create(const Context &context, const TiltSeries &series, const Options &options) {
        aet_recon *created = nullptr;
        detail::check(aet_recon_create_tomography(context.get(), series.get(), options.get(), &created));
        return created;
    }
};

// ---- atoms from images alone ---------------------------------------------------------------------------------------

/// Where the first guess of a search comes from, where no atoms are given.
enum class FirstGuess : std::int32_t { volume = AET_FIRST_GUESS_VOLUME, grid = AET_FIRST_GUESS_GRID };

/// How atoms are found. Lengths in the unit of the series; 0: automatic.
class FindOptions {
public:
    FindOptions() { detail::check(aet_find_options_init(&raw_, sizeof raw_)); }
    /// The model that is fitted; its own model and orbital are where the images lead from, unless they are kept.
    FindOptions &fit(const LocalOrbital::Options &options) noexcept { return fit_ = options, *this; }
    /// Whether the model of `fit` is used whatever the images say.
    FindOptions &keep_model(bool keep = true) noexcept { return raw_.keep_model = keep ? 1 : 0, *this; }
    /// Whether the orbital of `fit` is the shape of the atoms whatever the images say.
    FindOptions &keep_orbital(bool keep = true) noexcept { return raw_.keep_orbital = keep ? 1 : 0, *this; }
    /// Part of the tilts, at most 0.5, held out to tell whether the first guess should move; negative: none, it moves.
    FindOptions &hold_out(double part) noexcept { return raw_.hold_out = part, *this; }
    /// Blocks of parameters fitted beside positions, heights, widths and backgrounds: {"drift", "scale"}.
    FindOptions &free(const std::vector<std::string> &blocks) {
        free_.clear();
        for (const std::string &block : blocks) free_ += (free_.empty() ? "" : ",") + block;
        return *this;
    }
    /// The volume of the first guess, taken as it is; without it 20 iterations of SIRT without positivity.
    FindOptions &tomography(const TomographyOptions &options) noexcept { return tomography_ = options, *this; }
    /// Where the first guess comes from: the peaks of a volume, or a regular grid of orbitals.
    FindOptions &first_guess(FirstGuess from) noexcept {
        return raw_.first_guess = static_cast<std::int32_t>(from), *this;
    }
    /// Distance of the orbitals of a grid, at least a pixel.
    FindOptions &grid_spacing(double distance) noexcept { return raw_.grid_spacing = distance, *this; }
    /// The defocus of every section is looked for this far (A) from the recorded one, and fitted; 0: it is as recorded.
    FindOptions &defocus_range(double range) noexcept { return raw_.defocus_range = range, *this; }
    /// The first guess, instead of what is traced in a volume or left of a grid; it must live until the options are used.
    FindOptions &start(const Atoms &atoms) noexcept { return raw_.start = atoms.get(), *this; }
    /// Atoms lie only where this volume is above 0.5; it must live until the options are used.
    FindOptions &support(const Volume &volume) noexcept { return raw_.support = volume.get(), *this; }
    /// Below the shortest bond.
    FindOptions &minimum_distance(double distance) noexcept { return raw_.minimum_distance = distance, *this; }
    FindOptions &smoothing(double sigma) noexcept { return raw_.smoothing = sigma, *this; }
    FindOptions &threshold(double part) noexcept { return raw_.threshold = part, *this; }
    /// Part of the typical height of the lightest species below which an orbital is no atom.
    FindOptions &weak(double part) noexcept { return raw_.weak = part, *this; }
    /// Times the typical height of the heaviest species above which an orbital is two atoms; infinity: none are.
    FindOptions &split(double times) noexcept { return raw_.split = times, *this; }
    /// Distance to all others beyond which an atom is noise; infinity: none are.
    FindOptions &isolation(double distance) noexcept { return raw_.isolation = distance, *this; }
    FindOptions &max_cycles(std::int32_t count) noexcept { return raw_.max_cycles = count, *this; }
    FindOptions &fit_iterations(std::int32_t count) noexcept { return raw_.fit_iterations = count, *this; }
    FindOptions &species(std::int32_t atomic_number) noexcept { return raw_.species = atomic_number, *this; }
    /// Atomic numbers of several species, the weakest scatterer first: the heights tell which atom is which.
    FindOptions &elements(std::vector<std::int32_t> atomic_numbers) {
        elements_ = std::make_shared<const std::vector<std::int32_t>>(std::move(atomic_numbers));
        view_of_elements_.emplace(*elements_);
        return *this;
    }
    /// The C structure; it points into this object.
    aet_find_options c_struct() const noexcept {
        aet_find_options raw = raw_;
        raw.fit = fit_ ? fit_->get() : nullptr;
        raw.tomography = tomography_ ? tomography_->get() : nullptr;
        raw.free = free_.empty() ? nullptr : free_.c_str();
        raw.elements = view_of_elements_ ? view_of_elements_->get() : nullptr;
        return raw;
    }

private:
    aet_find_options raw_{};
    std::optional<LocalOrbital::Options> fit_;
    std::optional<TomographyOptions> tomography_;
    std::string free_;
    std::shared_ptr<const std::vector<std::int32_t>> elements_; // copies share what their views point to
    std::optional<ConstView> view_of_elements_;
};

/// Atoms, the first guess they come from, a row per fit, the shape of the atoms in the last fit, for the fits that follow,
/// and a row per decision; columns and values of the tables are those of aet_dataset_find_atoms.
struct FoundAtoms {
    Atoms atoms;
    Atoms traced;
    Table cycles;
    Orbital orbital;
    Table decisions;
};

/// Finds the atoms of a series. Where `progress` ends it, the atoms of the last fit are returned. A probe is needed by the
/// rigid model.
inline Atoms find_atoms(const TiltSeries &series, const Probe *probe = nullptr,
                        const FindOptions &options = FindOptions(), const ProgressFunction &progress = {}) {
    const aet_find_options c_options = options.c_struct();
    detail::Observer observer(progress);
    aet_atoms *created = nullptr;
    const aet_status status =
        aet_dataset_find_atoms(series.get(), probe == nullptr ? nullptr : probe->get(), &c_options,
                               observer.function(), observer.user(), &created, nullptr, nullptr, nullptr, nullptr);
    Atoms atoms(created); // owns it before anything is thrown
    observer.finish(status);
    if (created == nullptr) detail::check(status);
    return atoms;
}

/// The same with what led to the atoms.
inline FoundAtoms find_atoms_recorded(const TiltSeries &series, const Probe *probe = nullptr,
                                      const FindOptions &options = FindOptions(),
                                      const ProgressFunction &progress = {}) {
    const aet_find_options c_options = options.c_struct();
    detail::Observer observer(progress);
    aet_atoms *created = nullptr, *first = nullptr;
    aet_table *rows = nullptr, *log = nullptr;
    aet_orbital *shape = nullptr;
    const aet_status status =
        aet_dataset_find_atoms(series.get(), probe == nullptr ? nullptr : probe->get(), &c_options,
                               observer.function(), observer.user(), &created, &first, &rows, &shape, &log);
    FoundAtoms found{Atoms(created), Atoms(first), Table(rows), Orbital(shape), Table(log)}; // owns them before a throw
    observer.finish(status);
    if (created == nullptr) detail::check(status);
    return found;
}

// ---- the recording instrument --------------------------------------------------------------------------------------

/// What a detector makes of single electrons.
enum class Detection : std::int32_t { counting = AET_DETECTION_COUNTING, integrating = AET_DETECTION_INTEGRATING };
/// What lies beyond the edges of an image.
enum class Edge : std::int32_t { mirror = AET_EDGE_MIRROR, periodic = AET_EDGE_PERIODIC };

/// What scan, dose and detector make of ideal images; by default nothing. Lengths in A, pairs along x' and y'. See
/// aet_instrument_options for the meaning of all numbers.
class Instrument {
public:
    Instrument() { detail::check(aet_instrument_options_init(&raw_, sizeof raw_)); }
    Instrument &seed(std::int64_t seed) noexcept { return raw_.seed = seed, *this; }
    /// Electrons per A^2 and image; images are fractions of the beam.
    Instrument &dose_per_a2(double dose) noexcept { return raw_.dose_per_a2 = dose, *this; }
    /// Electrons per scan position or pattern; 1 where images are mean numbers of electrons.
    Instrument &electrons_per_position(double n) noexcept { return raw_.electrons_per_position = n, *this; }
    Instrument &drift(double x, double y) noexcept { return raw_.drift_x = x, raw_.drift_y = y, *this; }
    Instrument &walk(double sigma) noexcept { return raw_.walk = sigma, *this; }
    Instrument &row_jitter(double x, double y) noexcept {
        return raw_.row_jitter_x = x, raw_.row_jitter_y = y, *this;
    }
    Instrument &flyback(double lag, double decay) noexcept {
        return raw_.flyback = lag, raw_.flyback_decay = decay, *this;
    }
    Instrument &rotation_deg(double angle) noexcept { return raw_.rotation_deg = angle, *this; }
    Instrument &shear(double shear) noexcept { return raw_.shear = shear, *this; }
    Instrument &stretch(double x, double y) noexcept { return raw_.stretch_x = x, raw_.stretch_y = y, *this; }
    Instrument &detection(Detection kind) noexcept {
        return raw_.detection = static_cast<std::int32_t>(kind), *this;
    }
    Instrument &dqe(double efficiency) noexcept { return raw_.dqe = efficiency, *this; }
    Instrument &dead_time(double part) noexcept { return raw_.dead_time = part, *this; }
    /// Samples [n] from 0 to the Nyquist frequency, which must live as long as this object.
    Instrument &mtf(const ConstView &samples) { return mtf_ = samples, *this; }
    Instrument &noise_mtf(const ConstView &samples) { return noise_mtf_ = samples, *this; }
    Instrument &mtf_gaussian(double frequency) noexcept { return raw_.mtf_gaussian = frequency, *this; }
    Instrument &mtf_exponential(double frequency) noexcept { return raw_.mtf_exponential = frequency, *this; }
    Instrument &mtf_exponential_weight(double weight) noexcept {
        return raw_.mtf_exponential_weight = weight, *this;
    }
    /// Each electron is blurred: the noise has the transfer of the signal.
    Instrument &noise_blurred(bool blurred) noexcept { return raw_.noise_blurred = blurred ? 1 : 0, *this; }
    Instrument &gain_pattern(double spread) noexcept { return raw_.gain_pattern = spread, *this; }
    Instrument &dark_current(double electrons) noexcept { return raw_.dark_current = electrons, *this; }
    Instrument &dark_pattern(double spread) noexcept { return raw_.dark_pattern = spread, *this; }
    Instrument &read_noise(double electrons) noexcept { return raw_.read_noise = electrons, *this; }
    Instrument &dead_pixels(std::int64_t count) noexcept { return raw_.dead_pixels = count, *this; }
    Instrument &hot_pixels(std::int64_t count, double electrons) noexcept {
        return raw_.hot_pixels = count, raw_.hot_current = electrons, *this;
    }
    Instrument &gain(double units_per_electron) noexcept { return raw_.gain = units_per_electron, *this; }
    Instrument &offset(double units) noexcept { return raw_.offset = units, *this; }
    Instrument &saturation(double units) noexcept { return raw_.saturation = units, *this; }
    /// Whole numbers from 0 on.
    Instrument &quantized(bool whole) noexcept { return raw_.quantized = whole ? 1 : 0, *this; }
    Instrument &edge(Edge edge) noexcept { return raw_.edge = static_cast<std::int32_t>(edge), *this; }
    /// The C structure; it points into this object.
    aet_instrument_options c_struct() const noexcept {
        aet_instrument_options raw = raw_;
        raw.mtf = mtf_ ? mtf_->get() : nullptr;
        raw.noise_mtf = noise_mtf_ ? noise_mtf_->get() : nullptr;
        return raw;
    }
    /// What it adds to images of the rows and columns of `out`: "displacements" [rows, columns, 2] of the beam in image
    /// number `image`, A; "gain", "dark", "defects" [rows, columns].
    void copy_truth(const std::string &name, double pixel_size, std::int64_t image, const View &out) const {
        const aet_instrument_options raw = c_struct();
        detail::check(aet_instrument_copy_truth(&raw, pixel_size, image, name.c_str(), out.get()));
    }

private:
    aet_instrument_options raw_{};
    std::optional<ConstView> mtf_, noise_mtf_;
};

/// The series that the instrument would have recorded of ideal images.
inline TiltSeries record(const TiltSeries &series, const Instrument &instrument,
                         const ProgressFunction &progress = {}) {
    const aet_instrument_options options = instrument.c_struct();
    detail::Observer observer(progress);
    aet_dataset *created = nullptr;
    detail::check(
        observer.finish(aet_dataset_record(series.get(), &options, observer.function(), observer.user(), &created)));
    return TiltSeries(created);
}

/// The same of diffraction patterns [n, rows, columns], into `out`; pattern i is number first + i of the seed.
inline void record_patterns(const Context &context, const ConstView &patterns, const Instrument &instrument,
                            const View &out, std::int64_t first = 0, const ProgressFunction &progress = {}) {
    const aet_instrument_options options = instrument.c_struct();
    detail::Observer observer(progress);
    detail::check(observer.finish(aet_patterns_record(context.get(), patterns.get(), &options, first,
                                                      observer.function(), observer.user(), out.get())));
}

// ---- simulations -----------------------------------------------------------------------------------------------

/// One configuration of atoms, or a potential, ready to be seen by electrons of one energy; immutable. Its frame is the
/// cell of the atoms: periodic across the beam, which enters at z = 0; the defocus of probes refers to that face.
class Simulation {
public:
    class Options {
    public:
        /// Energy of the electrons, eV.
        explicit Options(double energy_ev) {
            detail::check(aet_simulation_options_init(&raw_, sizeof raw_));
            raw_.energy_ev = energy_ev;
        }
        /// Largest size of a pixel, A; 0: 0.1.
        Options &pixel_size(double size) noexcept { return raw_.pixel_size = size, *this; }
        /// Pixels of the cell instead of their size.
        Options &shape(std::int64_t rows, std::int64_t columns) noexcept {
            return raw_.rows = rows, raw_.columns = columns, *this;
        }
        /// A; 0: 2.
        Options &slice_thickness(double thickness) noexcept { return raw_.slice_thickness = thickness, *this; }
        /// Faces of the slices [slices + 1], A, instead of their thickness; they must live as long as this object.
        Options &slice_edges(const ConstView &edges) { return edges_ = edges, *this; }
        /// Imaginary part of the potential in units of the real one.
        Options &absorption(double part) noexcept { return raw_.absorption = part, *this; }
        Options &mistilt_mrad(double x, double y) noexcept {
            return raw_.mistilt_x_mrad = x, raw_.mistilt_y_mrad = y, *this;
        }
        /// Pixels of the window around the probe through which a wave travels.
        Options &window(std::int64_t rows, std::int64_t columns) noexcept {
            return raw_.window_rows = rows, raw_.window_columns = columns, *this;
        }
        Options &parametrization(Parametrization table) noexcept {
            return raw_.parametrization = static_cast<std::int32_t>(table), *this;
        }
        /// With the largest relative error of any frequency of gridding; 0: 1e-6.
        Options &placement(Placement placement, double error = 0) noexcept {
            return raw_.placement = static_cast<std::int32_t>(placement), raw_.placement_error = error, *this;
        }
        /// With the largest error of the share of a finite slice; 0: 1e-6.
        Options &projection(Projection projection, double error = 0) noexcept {
            return raw_.projection = static_cast<std::int32_t>(projection), raw_.projection_error = error, *this;
        }
        Options &band_limit(BandLimit limit) noexcept {
            return raw_.band_limit = static_cast<std::int32_t>(limit), *this;
        }
        Options &precision(Precision precision) noexcept {
            return raw_.precision = static_cast<std::int32_t>(precision), *this;
        }
        /// How finely diffraction patterns of windows are sampled.
        Options &pattern_sampling(PatternSampling sampling) noexcept {
            return raw_.pattern_sampling = static_cast<std::int32_t>(sampling), *this;
        }
        /// Scans by PRISM: the largest semi-angle of the probes to come, mrad.
        Options &prism(double semiangle_mrad) noexcept { return raw_.prism_semiangle_mrad = semiangle_mrad, *this; }
        /// Every f-th plane wave of PRISM and windows of 1 / f of the pixels, along y and x; divides them.
        Options &prism_interpolation(std::int64_t y, std::int64_t x) noexcept {
            return raw_.prism_interpolation_y = y, raw_.prism_interpolation_x = x, *this;
        }
        /// Plane waves of PRISM on the coarsest grid that holds the band limit.
        Options &prism_downsampling(bool coarser = true) noexcept {
            return raw_.prism_downsampling = coarser ? 1 : 0, *this;
        }
        /// Refuses scan positions outside of the cell, which is periodic otherwise.
        Options &within_cell(bool only = true) noexcept { return raw_.within_cell = only ? 1 : 0, *this; }
        /// The C structure; it points into this object.
        aet_simulation_options c_struct() const noexcept {
            aet_simulation_options raw = raw_;
            raw.slice_edges = edges_ ? edges_->get() : nullptr;
            return raw;
        }

    private:
        aet_simulation_options raw_{};
        std::optional<ConstView> edges_;
    };

    /// Bytes of a simulation and a scan with all threads, and with gradients, too.
    struct Memory {
        std::uint64_t bytes;
        std::uint64_t with_gradients;
    };
    /// Rows and columns.
    struct Size {
        std::int64_t rows;
        std::int64_t columns;
    };
    /// A wave [rows, columns] of the window, row-major, whose first pixel is this one of the cell.
    struct Wave {
        std::vector<std::complex<double>> values;
        std::int64_t first_row;
        std::int64_t first_column;
    };
    /// Places for gradients; those left out are not computed.
    class Gradients {
    public:
        /// [positions, 2]: dL/d(x, y), 1/A.
        Gradients &positions(const View &out) { return positions_ = out, *this; }
        /// [slices, rows, columns]: dL/dV, 1/(V A).
        Gradients &potential(const View &out) { return potential_ = out, *this; }
        /// [atoms, 3]: 1/A.
        Gradients &atom_positions(const View &out) { return atom_positions_ = out, *this; }
        /// [atoms]: 1/A^2.
        Gradients &debye_waller_b(const View &out) { return debye_waller_b_ = out, *this; }
        /// [atoms].
        Gradients &occupancy(const View &out) { return occupancy_ = out, *this; }
        /// The C structure; it points into this object and to `by_signal`.
        aet_scan_gradients c_struct(const ConstView &by_signal) const {
            aet_scan_gradients raw{};
            detail::check(aet_scan_gradients_init(&raw, sizeof raw));
            const auto place = [](const std::optional<View> &view) { return view ? view->get() : nullptr; };
            raw.by_signal = by_signal.get();
            raw.positions = place(positions_);
            raw.potential = place(potential_);
            raw.atom_positions = place(atom_positions_);
            raw.debye_waller_b = place(debye_waller_b_);
            raw.occupancy = place(occupancy_);
            return raw;
        }

    private:
        std::optional<View> positions_, potential_, atom_positions_, debye_waller_b_, occupancy_;
    };
    /// What signals are means over; at first nothing: atoms at rest, a coherent beam.
    class Ensemble {
    public:
        Ensemble() { detail::check(aet_ensemble_options_init(&raw_, sizeof raw_)); }
        /// Frozen phonons: configurations of displaced atoms, and the seed of the displacements.
        Ensemble &phonons(std::int64_t configurations, std::int64_t seed = 0) noexcept {
            return raw_.phonon_configurations = configurations, raw_.phonon_seed = seed, *this;
        }
        /// Standard deviation of the defocus, A, and number of probes that stand for it; 0: 7.
        Ensemble &defocus_spread(double sigma, std::int32_t nodes = 0) noexcept {
            return raw_.defocus_spread = sigma, raw_.defocus_nodes = nodes, *this;
        }
        /// Standard deviation of the semi-angle, mrad, and number of probes that stand for it; 0: 5.
        Ensemble &semiangle_spread_mrad(double sigma, std::int32_t nodes = 0) noexcept {
            return raw_.semiangle_spread_mrad = sigma, raw_.semiangle_nodes = nodes, *this;
        }
        const aet_ensemble_options *get() const noexcept { return &raw_; }

    private:
        aet_ensemble_options raw_{};
    };
    /// Means [positions, count] over an ensemble and their standard errors over the configurations of atoms, alike; NaN for
    /// fewer than two of these.
    struct MeanSignals {
        std::vector<double> means;
        std::vector<double> standard_errors;
    };
    /// Largest difference of any signal through a window, and the same over the largest signal.
    struct WindowError {
        double largest;
        double relative;
    };
    /// Detectors of a scan, by reference; their signals follow one another.
    using Detectors = std::vector<std::reference_wrapper<const Detector>>;

    Simulation(const Context &context, const Atoms &atoms, const Options &options,
               const ProgressFunction &progress = {}) {
        const aet_simulation_options raw = options.c_struct();
        detail::Observer observer(progress);
        aet_simulation *created = nullptr;
        detail::check(observer.finish(aet_simulation_create(context.get(), atoms.get(), &raw, observer.function(),
                                                            observer.user(), &created)));
        handle_.reset(created);
    }
    /// Of a potential [slices, rows, columns], V A, over a cell of these lengths, A.
    Simulation(const Context &context, const ConstView &potential, double cell_x, double cell_y,
               const Options &options, const ProgressFunction &progress = {}) {
        const aet_simulation_options raw = options.c_struct();
        detail::Observer observer(progress);
        aet_simulation *created = nullptr;
        detail::check(observer.finish(aet_simulation_create_from_potential(context.get(), potential.get(), cell_x, cell_y,
                                                                           &raw, observer.function(), observer.user(),
                                                                           &created)));
        handle_.reset(created);
    }
    /// Takes over a handle of the C interface.
    explicit Simulation(aet_simulation *owned) noexcept : handle_(owned) {}

    /// What making a simulation and scanning will need.
    static Memory estimate_memory(const Context &context, const Atoms &atoms, const Options &options) {
        const aet_simulation_options raw = options.c_struct();
        Memory memory{};
        detail::check(aet_simulation_estimate_memory(context.get(), atoms.get(), &raw, &memory.bytes,
                                                     &memory.with_gradients));
        return memory;
    }
    /// Pixels of a window for a probe with its crossover up to `focus` (A) from the middle of the cell of the atoms; those
    /// of the cell where nothing smaller will do.
    static Size choose_window(const Atoms &atoms, const Probe &probe, double focus, const Options &options) {
        const aet_simulation_options raw = options.c_struct();
        Size size{};
        detail::check(
            aet_simulation_choose_window(atoms.get(), probe.get(), focus, &raw, &size.rows, &size.columns));
        return size;
    }
    Memory memory_estimate() const {
        Memory memory{};
        detail::check(aet_simulation_memory_estimate(get(), &memory.bytes, &memory.with_gradients));
        return memory;
    }

    std::int64_t slice_count() const noexcept { return aet_simulation_slice_count(get()); }
    /// 0 where it was made of a potential.
    std::int64_t atom_count() const noexcept { return aet_simulation_atom_count(get()); }
    /// A.
    double wavelength() const noexcept { return aet_simulation_wavelength(get()); }
    Size shape() const {
        Size size{};
        detail::check(aet_simulation_shape(get(), &size.rows, &size.columns));
        return size;
    }
    /// Pixels of the window through which waves travel.
    Size window_shape() const {
        Size size{};
        detail::check(aet_simulation_window_shape(get(), &size.rows, &size.columns));
        return size;
    }
    /// Pixels of diffraction patterns: of the window, more where they are padded.
    Size pattern_shape() const {
        Size size{};
        detail::check(aet_simulation_pattern_shape(get(), &size.rows, &size.columns));
        return size;
    }
    /// Along y and x, A.
    std::array<double, 2> pixel_size() const {
        std::array<double, 2> size{};
        detail::check(aet_simulation_pixel_size(get(), &size[0], &size[1]));
        return size;
    }

    /// Potential of a slice [rows, columns], V A.
    std::vector<double> potential(std::int64_t slice) const {
        const Size size = shape();
        std::vector<double> values(detail::element_count({size.rows, size.columns}));
        const View out(values.data(), {size.rows, size.columns});
        detail::check(aet_simulation_potential(get(), slice, out.get()));
        return values;
    }
    /// The wave [rows, columns] behind the first slices (0: all) of a plane wave 1.
    std::vector<std::complex<double>> exit_wave(std::int64_t slices = 0) const { return exit_wave(nullptr, slices); }
    /// Of an incident wave [rows, columns].
    std::vector<std::complex<double>> exit_wave(const ConstView &incident, std::int64_t slices = 0) const {
        return exit_wave(incident.get(), slices);
    }
    /// The wave of a probe at (x, y), A, behind the first slices (0: all).
    Wave exit_wave(const Probe &probe, double x, double y, std::int64_t slices = 0) const {
        const Size size = window_shape();
        Wave wave{std::vector<std::complex<double>>(detail::element_count({size.rows, size.columns})), 0, 0};
        const View out(wave.values.data(), {size.rows, size.columns});
        detail::check(aet_simulation_probe_exit_wave(get(), probe.get(), x, y, slices, out.get(), &wave.first_row,
                                                     &wave.first_column));
        return wave;
    }

    /// Values that the detectors give per position.
    std::int64_t signal_count(const Detectors &detectors) const {
        const auto handles = handles_of(detectors);
        std::int64_t count = 0;
        detail::check(aet_simulation_signal_count(get(), handles.data(), size_of(handles), &count));
        return count;
    }
    /// Shape of the signal of one detector; empty for one number.
    Shape signal_shape(const Detector &detector) const {
        std::int32_t ndim = 0;
        std::array<std::int64_t, 2> shape{};
        detail::check(aet_simulation_signal_shape(get(), detector.get(), &ndim, shape.data()));
        return Shape(shape.begin(), shape.begin() + ndim);
    }
    /// Signals [positions, count] of a probe at positions [n, 2], (x, y) in A, row-major.
    std::vector<double> scan(const Probe &probe, const ConstView &positions, const Detectors &detectors,
                             const ProgressFunction &progress = {}) const {
        const Shape shape{extent(positions), signal_count(detectors)};
        std::vector<double> signals(detail::element_count(shape));
        scan(probe, positions, detectors, View(signals.data(), shape), progress);
        return signals;
    }
    /// The same into a real view.
    void scan(const Probe &probe, const ConstView &positions, const Detectors &detectors, const View &out,
              const ProgressFunction &progress = {}) const {
        const auto handles = handles_of(detectors);
        detail::Observer observer(progress);
        detail::check(observer.finish(aet_simulation_scan(get(), probe.get(), positions.get(), handles.data(),
                                                          size_of(handles), observer.function(), observer.user(),
                                                          out.get())));
    }
    /// Means of the signals of a scan over an ensemble.
    MeanSignals scan_ensemble(const Probe &probe, const ConstView &positions, const Detectors &detectors,
                              const Ensemble &ensemble, const ProgressFunction &progress = {}) const {
        const Shape shape{extent(positions), signal_count(detectors)};
        const std::size_t count = detail::element_count(shape);
        MeanSignals signals{std::vector<double>(count), std::vector<double>(count)};
        const View means(signals.means.data(), shape), errors(signals.standard_errors.data(), shape);
        const auto handles = handles_of(detectors);
        detail::Observer observer(progress);
        detail::check(observer.finish(aet_simulation_scan_ensemble(
            get(), probe.get(), positions.get(), handles.data(), size_of(handles), ensemble.get(), observer.function(),
            observer.user(), means.get(), errors.get())));
        return signals;
    }
    /// Signals [exits, positions, count] of a scan behind the first `exit_slices` slices, rising numbers.
    std::vector<double> thickness_series(const Probe &probe, const ConstView &positions, const ConstView &exit_slices,
                                         const Detectors &detectors, const ProgressFunction &progress = {}) const {
        const Shape shape{extent(exit_slices), extent(positions), signal_count(detectors)};
        std::vector<double> signals(detail::element_count(shape));
        const View out(signals.data(), shape);
        const auto handles = handles_of(detectors);
        detail::Observer observer(progress);
        detail::check(observer.finish(aet_simulation_thickness_series(
            get(), probe.get(), positions.get(), exit_slices.get(), handles.data(), size_of(handles),
            observer.function(), observer.user(), out.get())));
        return signals;
    }
    /// What the window costs the signals at positions [n, 2], a few that matter: against one of twice the size.
    WindowError window_error(const Probe &probe, const ConstView &positions, const Detectors &detectors,
                             const ProgressFunction &progress = {}) const {
        WindowError error{};
        const auto handles = handles_of(detectors);
        detail::Observer observer(progress);
        detail::check(observer.finish(aet_simulation_window_error(
            get(), probe.get(), positions.get(), handles.data(), size_of(handles), observer.function(), observer.user(),
            &error.largest, &error.relative)));
        return error;
    }
    /// Diffraction patterns at positions [n, 2] into a real view [n, rows, columns] of pattern_shape, zero angle at n / 2.
    void patterns(const Probe &probe, const ConstView &positions, const View &out,
                  const ProgressFunction &progress = {}) const {
        detail::Observer observer(progress);
        detail::check(observer.finish(aet_simulation_patterns(get(), probe.get(), positions.get(),
                                                              observer.function(), observer.user(), out.get())));
    }
    /// Gradients of a loss of the signals of a scan, given dL/dsignal [positions, count].
    void pull_back(const Probe &probe, const ConstView &positions, const Detectors &detectors,
                   const ConstView &by_signal, const Gradients &gradients,
                   const ProgressFunction &progress = {}) const {
        const auto handles = handles_of(detectors);
        const aet_scan_gradients raw = gradients.c_struct(by_signal);
        detail::Observer observer(progress);
        detail::check(observer.finish(aet_simulation_pull_back(get(), probe.get(), positions.get(), handles.data(),
                                                               size_of(handles), &raw, observer.function(),
                                                               observer.user())));
    }

    aet_simulation *get() const noexcept { return handle_.get(); }

private:
    using Handles = std::vector<const aet_detector *>;

    static Handles handles_of(const Detectors &detectors) {
        Handles handles;
        for (const Detector &detector : detectors) handles.push_back(detector.get());
        return handles;
    }
    static std::int64_t size_of(const Handles &handles) { return static_cast<std::int64_t>(handles.size()); }
    /// Elements along the first axis.
    static std::int64_t extent(const ConstView &view) { return view.get()->ndim > 0 ? view.get()->shape[0] : 0; }

    std::vector<std::complex<double>> exit_wave(const aet_const_view *incident, std::int64_t slices) const {
        const Size size = shape();
        std::vector<std::complex<double>> wave(detail::element_count({size.rows, size.columns}));
        const View out(wave.data(), {size.rows, size.columns});
        detail::check(aet_simulation_exit_wave(get(), incident, slices, out.get()));
        return wave;
    }

    detail::Handle<aet_simulation, aet_simulation_free> handle_;
};

// ---- simulated tilt series -----------------------------------------------------------------------------------------

/// A tilt and focus series to be simulated: rotations [tilts, 3, 3] about the origin of the specimen, p' = R p, and foci
/// [n], heights of the crossover above it, A. Both must live as long as this object. See aet_series_options.
class SeriesOptions {
public:
    SeriesOptions(const ConstView &rotations, const ConstView &foci) : rotations_(rotations), foci_(foci) {
        detail::check(aet_series_options_init(&raw_, sizeof raw_));
    }
    /// Sampling, slices by their thickness, potential, window, precision; for the energy of the probe.
    SeriesOptions &simulation(const Simulation::Options &options) { return simulation_ = options, *this; }
    /// What records the signals.
    SeriesOptions &instrument(const Instrument &instrument) { return instrument_ = instrument, *this; }
    /// Distance of scan positions, A; 0: 0.34.
    SeriesOptions &pixel_size(double size) noexcept { return raw_.pixel_size = size, *this; }
    /// Scan positions; 0: so many that all atoms stay within the images in every tilt.
    SeriesOptions &shape(std::int64_t rows, std::int64_t columns) noexcept {
        return raw_.rows = rows, raw_.columns = columns, *this;
    }
    /// Around specimen and scan, A; 0: 4.
    SeriesOptions &vacuum(double width) noexcept { return raw_.vacuum = width, *this; }
    /// Standard deviation of the defocus, A, and number of probes that stand for it; 0: 7.
    SeriesOptions &defocus_spread(double sigma, std::int32_t nodes = 0) noexcept {
        return raw_.defocus_spread = sigma, raw_.defocus_nodes = nodes, *this;
    }
    /// Standard deviation of the semi-angle, mrad, and number of probes that stand for it; 0: 5.
    SeriesOptions &semiangle_spread_mrad(double sigma, std::int32_t nodes = 0) noexcept {
        return raw_.semiangle_spread_mrad = sigma, raw_.semiangle_nodes = nodes, *this;
    }
    /// Frozen phonons: configurations of every tilt, and the seed of the displacements.
    SeriesOptions &phonons(std::int64_t configurations, std::int64_t seed = 0) noexcept {
        return raw_.phonon_configurations = configurations, raw_.phonon_seed = seed, *this;
    }
    /// Bytes that the run may need; 0: no limit.
    SeriesOptions &memory_cap(std::int64_t bytes) noexcept { return raw_.memory_cap = bytes, *this; }
    /// Waves travel through the whole cell, not through a window chosen for the probe.
    SeriesOptions &whole_window(bool whole = true) noexcept { return raw_.whole_window = whole ? 1 : 0, *this; }
    /// The status of `call`, a function of the C structure, which is valid as long as that lasts.
    template <class Call>
    aet_status with_c_struct(const Call &call) const {
        aet_series_options raw = raw_;
        aet_simulation_options simulation{};
        aet_instrument_options instrument{};
        raw.rotations = rotations_.get();
        raw.foci = foci_.get();
        if (simulation_) {
            simulation = simulation_->c_struct();
            raw.simulation = &simulation;
        }
        if (instrument_) {
            instrument = instrument_->c_struct();
            raw.instrument = &instrument;
        }
        return call(&raw);
    }

private:
    aet_series_options raw_{};
    ConstView rotations_, foci_;
    std::optional<Simulation::Options> simulation_;
    std::optional<Instrument> instrument_;
};

/// Simulates a tilt and focus series into a folder: images with an annular detector (TiltSeries::read reads them),
/// diffraction patterns with a pixelated one. Finished parts lie in `folder`.partial: where a call was cancelled (aet::error
/// with AET_CANCELLED), killed or threw an exception of `progress`, the same call goes on and the result is the same.
inline void simulate_series(const Context &context, const Atoms &atoms, const Probe &probe, const Detector &detector,
                            const SeriesOptions &options, const std::string &folder,
                            const ProgressFunction &progress = {}) {
    detail::Observer observer(progress);
    const aet_status status = options.with_c_struct([&](const aet_series_options *raw) {
        return aet_simulate_series(context.get(), atoms.get(), probe.get(), detector.get(), raw, folder.c_str(),
                                   observer.function(), observer.user());
    });
    detail::check(observer.finish(status));
}

/// Bytes that simulate_series with these arguments needs.
inline std::uint64_t estimate_series_memory(const Context &context, const Atoms &atoms, const Probe &probe,
                                            const Detector &detector, const SeriesOptions &options) {
    std::uint64_t bytes = 0;
    detail::check(options.with_c_struct([&](const aet_series_options *raw) {
        return aet_simulate_series_estimate_memory(context.get(), atoms.get(), probe.get(), detector.get(), raw, &bytes);
    }));
    return bytes;
}

} // namespace aet

#endif // AET_HPP
