#include "handles.hpp"

#include <mex.h>

#include <chrono>

namespace aet_mex {

namespace {
bool exiting = false;
}

uint64_t next_key() noexcept {
  // Counts from the time of loading: keys of an earlier load of this file stay stale.
  static uint64_t last =
      static_cast<uint64_t>(std::chrono::system_clock::now().time_since_epoch() / std::chrono::microseconds(1));
  return ++last;
}

void lock_gateway() noexcept { mexLock(); }

void unlock_gateway() noexcept {
  if (!exiting) {
    mexUnlock();
  }
}

void free_any_handle(uint64_t key) noexcept {
  HandleTable<aet_recon>::instance().remove(key);
  HandleTable<aet_volume>::instance().remove(key);
  HandleTable<aet_simulation>::instance().remove(key);
  HandleTable<aet_dataset>::instance().remove(key);
  HandleTable<aet_table>::instance().remove(key);
  HandleTable<aet_atoms>::instance().remove(key);
  HandleTable<aet_probe>::instance().remove(key);
  HandleTable<aet_detector>::instance().remove(key);
  HandleTable<aet_orbital>::instance().remove(key);
  HandleTable<aet_context>::instance().remove(key);
}

void free_all_handles() noexcept {
  exiting = true;
  // Order is free: composite objects share what they need.
  HandleTable<aet_recon>::instance().clear();
  HandleTable<aet_volume>::instance().clear();
  HandleTable<aet_simulation>::instance().clear();
  HandleTable<aet_dataset>::instance().clear();
  HandleTable<aet_table>::instance().clear();
  HandleTable<aet_atoms>::instance().clear();
  HandleTable<aet_probe>::instance().clear();
  HandleTable<aet_detector>::instance().clear();
  HandleTable<aet_orbital>::instance().clear();
  HandleTable<aet_context>::instance().clear();
  exiting = false;  // the file may stay mapped and be used again
}

}  // namespace aet_mex
