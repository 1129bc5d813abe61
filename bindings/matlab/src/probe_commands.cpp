// Commands of aet_probe.
#include "call.hpp"

namespace aet_mex {

namespace {

constexpr Choice apertures[] = {{"soft", AET_APERTURE_SOFT}, {"hard", AET_APERTURE_HARD}};

struct Coefficient {
  const char *name;
  double aet_probe_options::*member;
};

constexpr Coefficient coefficients[] = {
    {"EnergyEv", &aet_probe_options::energy_ev},
    {"SemiAngleMrad", &aet_probe_options::semiangle_mrad},
    {"Defocus", &aet_probe_options::defocus},
    {"SourceSize", &aet_probe_options::source_size},
    {"C12", &aet_probe_options::c12},
    {"Phi12", &aet_probe_options::phi12},
    {"C21", &aet_probe_options::c21},
    {"Phi21", &aet_probe_options::phi21},
    {"C23", &aet_probe_options::c23},
    {"Phi23", &aet_probe_options::phi23},
    {"C30", &aet_probe_options::c30},
    {"C32", &aet_probe_options::c32},
    {"Phi32", &aet_probe_options::phi32},
    {"C34", &aet_probe_options::c34},
    {"Phi34", &aet_probe_options::phi34},
    {"C41", &aet_probe_options::c41},
    {"Phi41", &aet_probe_options::phi41},
    {"C43", &aet_probe_options::c43},
    {"Phi43", &aet_probe_options::phi43},
    {"C45", &aet_probe_options::c45},
    {"Phi45", &aet_probe_options::phi45},
    {"C50", &aet_probe_options::c50},
    {"C52", &aet_probe_options::c52},
    {"Phi52", &aet_probe_options::phi52},
    {"C54", &aet_probe_options::c54},
    {"Phi54", &aet_probe_options::phi54},
    {"C56", &aet_probe_options::c56},
    {"Phi56", &aet_probe_options::phi56},
};

void create(Call &call) {
  const Options given = call.options(0);
  auto options = defaults(aet_probe_options_init);
  for (const Coefficient &coefficient : coefficients) {
    given.read(coefficient.name, options.*coefficient.member);
  }
  given.choose("Aperture", apertures, options.aperture);
  aet_probe *probe = nullptr;
  check(aet_probe_create(&options, &probe));
  call.give_handle(probe);
}

/// Sampling of a probe image: [rows, columns] and a struct with PixelSize, Depth, X, Y.
struct Sampling {
  int64_t rows = 0, columns = 0;
  double pixel_size = 0.0, depth = 0.0, x = 0.0, y = 0.0;

  explicit Sampling(const Call &call) {
    const mxArray *size = call.argument(1);
    const double *extent = doubles(size, "size");
    if (mxGetNumberOfElements(size) != 2 || !(extent[0] >= 1) || !(extent[1] >= 1)) {
      throw Failure("aet:shape", "size: wanted two positive numbers, [rows columns]");
    }
    rows = static_cast<int64_t>(extent[0]);
    columns = static_cast<int64_t>(extent[1]);
    const Options given = call.options(2);
    given.read("PixelSize", pixel_size);
    given.read("Depth", depth);
    given.read("X", x);
    given.read("Y", y);
  }
};

void wave(Call &call) {
  const auto probe = call.handle<aet_probe>(0);
  const Sampling s(call);
  const Output out = complex_output(s.rows, s.columns);
  check(aet_probe_wave(probe.get(), s.pixel_size, s.depth, s.x, s.y, &out.view));
  call.give(0, out.array);
}

void intensity(Call &call) {
  const auto probe = call.handle<aet_probe>(0);
  const Sampling s(call);
  const Output out = matrix_output(s.rows, s.columns);
  check(aet_probe_intensity(probe.get(), s.pixel_size, s.depth, &out.view));
  call.give(0, out.array);
}

}  // namespace

void add_probe_commands(CommandTable &table) {
  table["probe_create"] = create;
  table["probe_free"] = free_handle<aet_probe>;
  table["probe_wavelength"] = number_of<aet_probe, double, aet_probe_wavelength>;
  table["probe_energy_ev"] = number_of<aet_probe, double, aet_probe_energy_ev>;
  table["probe_semiangle_mrad"] = number_of<aet_probe, double, aet_probe_semiangle_mrad>;
  table["probe_depth_of_field"] = number_of<aet_probe, double, aet_probe_depth_of_field>;
  table["probe_defocus"] = number_of<aet_probe, double, aet_probe_defocus>;
  table["probe_wave"] = wave;
  table["probe_intensity"] = intensity;
}

}  // namespace aet_mex
