// Handles: MATLAB objects hold uint64 keys, this table holds what they stand for.
#pragma once

#include <aet.h>

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "failure.hpp"

namespace aet_mex {

/// How one kind of object is called in messages, and how it is freed.
template <class T>
struct Kind;

template <>
struct Kind<aet_context> {
  static constexpr const char *noun = "context";
  static void release(aet_context *object) { aet_context_free(object); }
};
template <>
struct Kind<aet_dataset> {
  static constexpr const char *noun = "tilt series";
  static void release(aet_dataset *object) { aet_dataset_free(object); }
};
template <>
struct Kind<aet_probe> {
  static constexpr const char *noun = "probe";
  static void release(aet_probe *object) { aet_probe_free(object); }
};
template <>
struct Kind<aet_detector> {
  static constexpr const char *noun = "detector";
  static void release(aet_detector *object) { aet_detector_free(object); }
};
template <>
struct Kind<aet_orbital> {
  static constexpr const char *noun = "orbital";
  static void release(aet_orbital *object) { aet_orbital_free(object); }
};
template <>
struct Kind<aet_table> {
  static constexpr const char *noun = "table";
  static void release(aet_table *object) { aet_table_free(object); }
};
template <>
struct Kind<aet_atoms> {
  static constexpr const char *noun = "atom list";
  static void release(aet_atoms *object) { aet_atoms_free(object); }
};
template <>
struct Kind<aet_volume> {
  static constexpr const char *noun = "volume";
  static void release(aet_volume *object) { aet_volume_free(object); }
};
template <>
struct Kind<aet_simulation> {
  static constexpr const char *noun = "simulation";
  static void release(aet_simulation *object) { aet_simulation_free(object); }
};
template <>
struct Kind<aet_recon> {
  static constexpr const char *noun = "reconstruction";
  static void release(aet_recon *object) { aet_recon_free(object); }
};

/// Never repeats, over all kinds of objects: a stale key finds nothing.
uint64_t next_key() noexcept;
/// One lock of the MEX file per live object, so that `clear all` cannot unload it beneath them.
void lock_gateway() noexcept;
void unlock_gateway() noexcept;
/// Frees the object behind a key, whatever its kind.
void free_any_handle(uint64_t key) noexcept;
/// Frees every object left, without unlocking; runs when the host unloads the gateway or exits.
void free_all_handles() noexcept;

/// All live objects of one kind.
template <class T>
class HandleTable {
 public:
  static HandleTable &instance() {
    static HandleTable table;
    return table;
  }

  /// Takes ownership of `object`, returns its key.
  uint64_t add(T *object) {
    lock_gateway();
    const std::shared_ptr<T> owner(object, [](T *p) {
      Kind<T>::release(p);
      unlock_gateway();
    });
    const uint64_t key = next_key();
    objects_.emplace(key, owner);
    return key;
  }

  /// The caller shares ownership while its call lasts, so a progress function that deletes the object
  /// in use does not pull it away from beneath the library.
  std::shared_ptr<T> find(uint64_t key) const {
    const auto entry = objects_.find(key);
    if (entry == objects_.end()) {
      throw Failure("aet:staleHandle", std::string("this ") + Kind<T>::noun + " no longer exists (handle " +
                                           std::to_string(key) + "): it was deleted or never created");
    }
    return entry->second;
  }

  /// Unknown keys are ignored: destructors may run twice, or after the table was emptied at exit.
  void remove(uint64_t key) noexcept { objects_.erase(key); }
  void clear() noexcept { objects_.clear(); }

 private:
  std::unordered_map<uint64_t, std::shared_ptr<T>> objects_;
};

}  // namespace aet_mex
