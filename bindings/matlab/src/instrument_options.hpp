// Options of a recording instrument as the library takes them.
#pragma once

#include <aet.h>
#include <mex.h>

#include <optional>
#include <string>

#include "call.hpp"

namespace aet_mex {

/// aet_instrument_options and the views that they point to.
class Instrument {
 public:
  explicit Instrument(const Options &given) : options_(defaults(aet_instrument_options_init)) {
    given.read("Seed", options_.seed);
    given.read("DosePerA2", options_.dose_per_a2);
    given.read("ElectronsPerPosition", options_.electrons_per_position);
    read_scan(given);
    read_detector(given);
    add_samples(given, "Mtf", mtf_, options_.mtf);
    add_samples(given, "NoiseMtf", noise_mtf_, options_.noise_mtf);
  }
  Instrument(const Instrument &) = delete;
  Instrument &operator=(const Instrument &) = delete;

  const aet_instrument_options *get() const { return &options_; }

 private:
  using View = std::optional<aet_const_view>;

  void read_scan(const Options &given) {
    read_pair(given, "Drift", options_.drift_x, options_.drift_y);
    given.read("Walk", options_.walk);
    read_pair(given, "RowJitter", options_.row_jitter_x, options_.row_jitter_y);
    given.read("Flyback", options_.flyback);
    given.read("FlybackDecay", options_.flyback_decay);
    given.read("RotationDeg", options_.rotation_deg);
    given.read("Shear", options_.shear);
    read_pair(given, "Stretch", options_.stretch_x, options_.stretch_y);
    given.choose("Edge", edges, options_.edge);
  }

  void read_detector(const Options &given) {
    given.choose("Detection", detections, options_.detection);
    given.read("Dqe", options_.dqe);
    given.read("DeadTime", options_.dead_time);
    given.read("MtfGaussian", options_.mtf_gaussian);
    given.read("MtfExponential", options_.mtf_exponential);
    given.read("MtfExponentialWeight", options_.mtf_exponential_weight);
    given.read_flag("NoiseBlurred", options_.noise_blurred);
    given.read("GainPattern", options_.gain_pattern);
    given.read("DarkCurrent", options_.dark_current);
    given.read("DarkPattern", options_.dark_pattern);
    given.read("ReadNoise", options_.read_noise);
    given.read("DeadPixels", options_.dead_pixels);
    given.read("HotPixels", options_.hot_pixels);
    given.read("HotCurrent", options_.hot_current);
    given.read("Gain", options_.gain);
    given.read("Offset", options_.offset);
    given.read("Saturation", options_.saturation);
    given.read_flag("Quantized", options_.quantized);
  }

  /// [x y].
  static void read_pair(const Options &given, const char *name, double &x, double &y) {
    if (const mxArray *pair = given.find(name)) {
      if (mxGetNumberOfElements(pair) != 2) {
        throw Failure("aet:shape", std::string(name) + ": got " + std::to_string(mxGetNumberOfElements(pair)) +
                                       " values, wanted two, along x' and y'");
      }
      const double *values = doubles(pair, name);
      x = values[0];
      y = values[1];
    }
  }

  static void add_samples(const Options &given, const char *name, View &view, const aet_const_view *&member) {
    if (const mxArray *samples = given.find(name)) {
      view = vector_view(samples, name);
      member = &*view;
    }
  }

  static constexpr Choice detections[] = {{"counting", AET_DETECTION_COUNTING},
                                          {"integrating", AET_DETECTION_INTEGRATING}};
  static constexpr Choice edges[] = {{"mirror", AET_EDGE_MIRROR}, {"periodic", AET_EDGE_PERIODIC}};

  aet_instrument_options options_;
  View mtf_, noise_mtf_;
};

}  // namespace aet_mex
