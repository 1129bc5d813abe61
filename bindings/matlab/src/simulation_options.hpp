// Options of a simulation as the library takes them.
#pragma once

#include <aet.h>
#include <mex.h>

#include <optional>
#include <string>

#include "call.hpp"

namespace aet_mex {

/// Two numbers.
inline const double *pair(const mxArray *array, const char *name) {
  if (mxGetNumberOfElements(array) != 2) {
    throw Failure("aet:shape", std::string(name) + ": got " + std::to_string(mxGetNumberOfElements(array)) +
                                   " values, wanted two");
  }
  return doubles(array, name);
}

/// aet_simulation_options and the view that they point to.
class SimulationOptions {
 public:
  explicit SimulationOptions(const Options &given) : options_(defaults(aet_simulation_options_init)) {
    given.read("EnergyEv", options_.energy_ev);
    given.read("PixelSize", options_.pixel_size);
    given.read("SliceThickness", options_.slice_thickness);
    given.read("Absorption", options_.absorption);
    given.read("PlacementError", options_.placement_error);
    given.read("ProjectionError", options_.projection_error);
    given.read("PrismSemiAngleMrad", options_.prism_semiangle_mrad);
    given.read("PrismInterpolationY", options_.prism_interpolation_y);
    given.read("PrismInterpolationX", options_.prism_interpolation_x);
    given.read_flag("PrismDownsampling", options_.prism_downsampling);
    given.read_flag("WithinCell", options_.within_cell);
    given.read("Rows", options_.rows);
    given.read("Columns", options_.columns);
    given.read("WindowRows", options_.window_rows);
    given.read("WindowColumns", options_.window_columns);
    given.choose("Parametrization", parametrizations, options_.parametrization);
    given.choose("Placement", placements, options_.placement);
    given.choose("Projection", projections, options_.projection);
    given.choose("BandLimit", limits, options_.band_limit);
    given.choose("Precision", precisions, options_.precision);
    given.choose("PatternSampling", samplings, options_.pattern_sampling);
    if (const mxArray *mistilt = given.find("MistiltMrad")) {
      const double *angles = pair(mistilt, "MistiltMrad");
      options_.mistilt_x_mrad = angles[0];
      options_.mistilt_y_mrad = angles[1];
    }
    if (const mxArray *edges = given.find("SliceEdges")) {
      edges_ = vector_view(edges, "SliceEdges");
      options_.slice_edges = &*edges_;
    }
  }
  SimulationOptions(const SimulationOptions &) = delete;
  SimulationOptions &operator=(const SimulationOptions &) = delete;

  const aet_simulation_options *get() const { return &options_; }

 private:
  static constexpr Choice parametrizations[] = {{"lobato", AET_PARAMETRIZATION_LOBATO},
                                                {"kirkland", AET_PARAMETRIZATION_KIRKLAND}};
  static constexpr Choice placements[] = {{"exact", AET_PLACEMENT_EXACT}, {"gridding", AET_PLACEMENT_GRIDDING}};
  static constexpr Choice projections[] = {{"infinite", AET_PROJECTION_INFINITE}, {"finite", AET_PROJECTION_FINITE}};
  static constexpr Choice limits[] = {
      {"circular", AET_BAND_LIMIT_CIRCULAR}, {"square", AET_BAND_LIMIT_SQUARE}, {"none", AET_BAND_LIMIT_NONE}};
  static constexpr Choice precisions[] = {{"single", AET_PRECISION_SINGLE}, {"double", AET_PRECISION_DOUBLE}};
  static constexpr Choice samplings[] = {{"window", AET_PATTERN_SAMPLING_WINDOW},
                                         {"padded", AET_PATTERN_SAMPLING_PADDED}};

  aet_simulation_options options_;
  std::optional<aet_const_view> edges_;
};

}  // namespace aet_mex
