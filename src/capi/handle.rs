//! Opaque handles: `aet_recon *` in C, `Arc<Recon>` here.
//!
//! A handle points to a slot, and slots are never given back to the allocator: a stale pointer reads defined memory and
//! is recognised by its tag. Freed slots wait in a long queue before they are used again. A call counts itself in and
//! out, so an object freed on one thread lives until the calls on others have returned; all of this is lock-free.

use super::guard::Host;
use crate::{Error, Result};
use std::any::Any;
use std::cell::UnsafeCell;
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// A C handle type and the Rust object behind it.
pub(super) trait Handle: Sized {
    /// Name of the C type.
    const NAME: &'static str;
    /// Whether the object never changes: then a panic cannot damage it and it is never poisoned.
    const IMMUTABLE: bool = false;
    /// The object.
    type Object: Send + Sync + 'static;
}

/// How a call uses a handle.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// The call reads it on behalf of another object; a panic leaves it sound.
    Input,
    /// The object of the call, shared with any number of other calls.
    Shared,
    /// The object of a call that changes it: one at a time, others get BUSY.
    Exclusive,
}

/// Freed slots that wait before the first of them is used again.
const RESTING: usize = 4096;

/// The slot is live: creating set this bit, freeing clears it. The other bits count the calls at work in it.
const LIVE: u64 = 1 << 63;

/// Where a live object is kept; what a C handle points to.
#[repr(align(64))]
pub(super) struct Slot {
    /// Which type of handle this is; 0 while the slot rests.
    tag: AtomicU64,
    state: AtomicU64,
    poisoned: AtomicBool,
    busy: AtomicBool,
    /// Changed only by the creator before LIVE is set, and by the last one out after it was cleared.
    object: UnsafeCell<Option<Box<dyn Any + Send + Sync>>>,
}

// SAFETY: `object` is changed only while one thread alone can reach it (see there), all else is atomic.
unsafe impl Sync for Slot {}

static RESTING_SLOTS: Mutex<VecDeque<&'static Slot>> = Mutex::new(VecDeque::new());

/// Tag of a handle type: FNV-1a of its name, never 0.
const fn tag_of(name: &str) -> u64 {
    let bytes = name.as_bytes();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut i = 0;
    while i < bytes.len() {
        #[allow(clippy::indexing_slicing)] // `i` is below the length; iterators are not const.
        let byte = bytes[i];
        hash = (hash ^ byte as u64).wrapping_mul(0x0100_0000_01b3);
        i += 1;
    }
    hash | 1
}

impl Slot {
    /// A live slot with `object`.
    fn open(tag: u64, object: Box<dyn Any + Send + Sync>) -> &'static Slot {
        let rested = match RESTING_SLOTS.try_lock() {
            Ok(mut slots) if slots.len() > RESTING => slots.pop_front(),
            // Waiting could last for ever in the fork of a process; a new slot always works.
            _ => None,
        };
        let slot = rested.unwrap_or_else(|| {
            Box::leak(Box::new(Slot {
                tag: AtomicU64::new(0),
                state: AtomicU64::new(0),
                poisoned: AtomicBool::new(false),
                busy: AtomicBool::new(false),
                object: UnsafeCell::new(None),
            }))
        });
        // SAFETY: the slot is not live and nobody is counted in it: this thread alone reaches the object.
        unsafe { *slot.object.get() = Some(object) };
        slot.poisoned.store(false, Ordering::Relaxed);
        slot.busy.store(false, Ordering::Relaxed);
        slot.tag.store(tag, Ordering::Relaxed);
        // Publishes all of the above to whoever enters.
        slot.state.fetch_or(LIVE, Ordering::Release);
        slot
    }

    /// Counts a call in, unless the slot is of another type or no longer live.
    fn enter(&self, tag: u64) -> bool {
        // Read the tag before anything is written: a foreign pointer must not be changed.
        if self.tag.load(Ordering::Acquire) != tag {
            return false;
        }
        let live = |state| (state & LIVE != 0).then_some(state + 1);
        if self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, live).is_err() {
            return false;
        }
        // The slot may have been freed and given to another type meanwhile.
        let same = self.tag.load(Ordering::Acquire) == tag;
        if !same {
            self.leave();
        }
        same
    }

    /// The object that a handle of this type stands for.
    ///
    /// # Safety
    /// A call is counted in, and stays so as long as the result is used.
    unsafe fn object<H: Handle>(&self) -> Result<&Arc<H::Object>> {
        // SAFETY: while calls are counted in, the object is neither changed nor dropped.
        let object = unsafe { &*self.object.get() };
        object.as_ref().and_then(|object| object.downcast_ref()).ok_or(Error::StaleHandle { what: H::NAME })
    }

    /// Counts a call out; the last one out of a freed slot drops the object.
    fn leave(&self) {
        if self.state.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.close();
        }
    }

    /// Lets no new call in; the object goes with the last call at work. Nothing happens to a slot that is not live.
    fn free(&self, tag: u64) {
        if self.enter(tag) {
            self.state.fetch_and(!LIVE, Ordering::AcqRel);
            self.leave();
        }
    }

    fn close(&self) {
        self.tag.store(0, Ordering::Release);
        // SAFETY: LIVE is cleared and the count is zero: this thread alone reaches the object.
        let object = unsafe { (*self.object.get()).take() };
        // SAFETY: slots are only made by `open`, which leaks them: the reference is good for ever.
        let rested: &'static Slot = unsafe { &*std::ptr::from_ref(self) };
        if let Ok(mut slots) = RESTING_SLOTS.try_lock() {
            slots.push_back(rested);
        }
        // Last, because a destructor may take long, call back, or panic.
        drop(object);
    }
}

/// A handle during one call.
pub(super) struct Held {
    slot: &'static Slot,
    usage: Use,
    immutable: bool,
}

impl Held {
    /// After a panic in the call.
    pub(super) fn poison(&self) {
        if self.usage != Use::Input && !self.immutable {
            self.slot.poisoned.store(true, Ordering::Release);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.usage == Use::Exclusive {
            self.slot.busy.store(false, Ordering::Release);
        }
        self.slot.leave();
    }
}

impl Host {
    /// The object of a `const` call, which any number of threads may make at a time.
    pub(super) fn object<H: Handle>(&self, handle: *const H, argument: &'static str) -> Result<&H::Object> {
        Ok(self.take(handle, argument, Use::Shared)?.as_ref())
    }

    /// The object of a call that changes it. While one such call is at work all others, also those made by its
    /// callbacks, get BUSY; `const` calls go on, so the object must be sound under both.
    pub(super) fn object_exclusive<H: Handle>(&self, handle: *mut H, argument: &'static str) -> Result<&H::Object> {
        Ok(self.take(handle.cast_const(), argument, Use::Exclusive)?.as_ref())
    }

    /// An object that the call needs beside its own. Clone the `Arc` to keep it in another object.
    pub(super) fn input<H: Handle>(&self, handle: *const H, argument: &'static str) -> Result<&Arc<H::Object>> {
        self.take(handle, argument, Use::Input)
    }

    /// An object that may be missing: NULL gives None.
    pub(super) fn optional_input<H: Handle>(
        &self,
        handle: *const H,
        argument: &'static str,
    ) -> Result<Option<&Arc<H::Object>>> {
        (!handle.is_null()).then(|| self.input(handle, argument)).transpose()
    }

    /// The objects behind an array of `n` handles, of any number: unlike those above, they are not kept by the call but by
    /// the references that come back.
    pub(super) fn inputs<H: Handle>(
        &self,
        handles: *const *const H,
        n: i64,
        argument: &'static str,
    ) -> Result<Vec<Arc<H::Object>>> {
        let object = |handle: &*const H| {
            let held = counted_in(*handle, argument, Use::Input)?;
            // SAFETY: the call is counted in until `held` ends, so the object is neither changed nor dropped before.
            unsafe { held.slot.object::<H>() }.cloned()
        };
        self.slice(handles, n, argument)?.iter().map(object).collect()
    }

    /// Place for a new handle; NULL is an error before any work is done.
    pub(super) fn new_handle<H: Handle>(&self, place: *mut *mut H, argument: &'static str) -> Result<NewHandle<'_, H>> {
        if place.is_null() {
            return Err(Error::Null { argument, wanted: "a place for the new handle" });
        }
        Ok(NewHandle { place, host: PhantomData })
    }

    /// Place for a new handle that the host may not want: NULL.
    pub(super) fn optional_new_handle<H: Handle>(&self, place: *mut *mut H) -> Option<NewHandle<'_, H>> {
        (!place.is_null()).then_some(NewHandle { place, host: PhantomData })
    }

    /// Frees a handle: NULL and one that is no longer live are left alone. Calls at work on it finish first.
    pub(super) fn free<H: Handle>(&self, handle: *mut H) -> Result<()> {
        if let Some(slot) = slot_of(handle.cast_const()) {
            slot.free(tag_of(H::NAME));
        }
        Ok(())
    }

    fn take<H: Handle>(&self, handle: *const H, argument: &'static str, usage: Use) -> Result<&Arc<H::Object>> {
        let held = counted_in(handle, argument, usage)?;
        let slot = held.slot;
        self.keep(held)?;
        // SAFETY: the call is counted in until `self` ends, so the object is neither changed nor dropped before.
        unsafe { slot.object::<H>() }
    }
}

/// Counts a call in for one handle; it is out again when the result goes.
fn counted_in<H: Handle>(handle: *const H, argument: &'static str, usage: Use) -> Result<Held> {
    if handle.is_null() {
        return Err(Error::Null { argument, wanted: H::NAME });
    }
    let stale = || Error::StaleHandle { what: H::NAME };
    let slot = slot_of(handle).filter(|slot| slot.enter(tag_of(H::NAME))).ok_or_else(stale)?;
    // From here on `held` counts the call out again.
    let mut held = Held { slot, usage: Use::Input, immutable: H::IMMUTABLE };
    if slot.poisoned.load(Ordering::Acquire) {
        return Err(Error::Poisoned { what: H::NAME });
    }
    if usage == Use::Exclusive && slot.busy.swap(true, Ordering::AcqRel) {
        return Err(Error::Busy { what: H::NAME });
    }
    held.usage = usage;
    Ok(held)
}

/// The slot behind a handle, if it can be one at all.
fn slot_of<H: Handle>(handle: *const H) -> Option<&'static Slot> {
    let slot = handle.cast::<Slot>();
    // SAFETY: the host promises a handle of this library, live or freed; those point to slots, which live for ever.
    (!slot.is_null() && slot.is_aligned()).then(|| unsafe { &*slot })
}

/// Where the handle of a new object goes.
pub(super) struct NewHandle<'c, H> {
    place: *mut *mut H,
    host: PhantomData<&'c Host>,
}

impl<H: Handle> NewHandle<'_, H> {
    /// Tells the host that a cancelled call had nothing to keep.
    pub(super) fn clear(self) {
        // SAFETY: as in `set`.
        unsafe { self.place.write(std::ptr::null_mut()) };
    }

    /// Hands the object over to the host.
    pub(super) fn set(self, object: impl Into<Arc<H::Object>>) {
        let object: Arc<H::Object> = object.into();
        let slot = Slot::open(tag_of(H::NAME), Box::new(object));
        // SAFETY: not NULL (see `new_handle`); the host promises room for a pointer.
        unsafe { self.place.write(std::ptr::from_ref(slot).cast_mut().cast()) };
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::super::guard::{guard, guard_value};
    use super::super::status::aet_status;
    use super::*;
    use std::sync::atomic::AtomicUsize;

    struct Counted(&'static AtomicUsize);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    struct aet_test_box;
    impl Handle for aet_test_box {
        const NAME: &'static str = "aet_test_box";
        type Object = Counted;
    }

    struct aet_test_stone;
    impl Handle for aet_test_stone {
        const NAME: &'static str = "aet_test_stone";
        const IMMUTABLE: bool = true;
        type Object = i32;
    }

    fn call(body: impl FnOnce(&Host) -> Result<()>) -> aet_status {
        // SAFETY: the pointers below are handles, live or freed, NULL, or locals.
        unsafe { guard("aet_test", body) }
    }

    fn create(drops: &'static AtomicUsize) -> *mut aet_test_box {
        let mut handle = std::ptr::null_mut();
        let status = call(|host| {
            host.new_handle(&raw mut handle, "box")?.set(Counted(drops));
            Ok(())
        });
        assert_eq!(status, aet_status::AET_OK);
        handle
    }

    fn stone(value: i32) -> *mut aet_test_stone {
        let mut handle = std::ptr::null_mut();
        call(|host| {
            host.new_handle(&raw mut handle, "stone")?.set(value);
            Ok(())
        });
        handle
    }

    fn use_it(handle: *const aet_test_box) -> aet_status {
        call(|host| host.object(handle, "box").map(|_| ()))
    }

    fn free<H: Handle>(handle: *mut H) {
        // SAFETY: as in `call`.
        unsafe { guard_value((), |host| host.free(handle)) }
    }

    #[test]
    fn null_wrong_type_and_stale() {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        let null = std::ptr::null_mut::<aet_test_box>();
        assert_eq!(use_it(null), aet_status::AET_ERROR_NULL);
        assert_eq!(call(|host| host.new_handle::<aet_test_box>(std::ptr::null_mut(), "out").map(|_| ())) as i32, 100);
        free(null);

        let handle = create(&DROPS);
        assert_eq!(use_it(handle), aet_status::AET_OK);
        let other = stone(3);
        assert_eq!(use_it(other.cast()), aet_status::AET_ERROR_STALE_HANDLE);
        free(other.cast::<aet_test_box>());
        assert_eq!(call(|host| host.object(other, "stone").map(|_| ())), aet_status::AET_OK, "freed as another type");

        free(handle);
        free(handle);
        assert_eq!(DROPS.load(Ordering::SeqCst), 1);
        assert_eq!(use_it(handle), aet_status::AET_ERROR_STALE_HANDLE);
        let successor = create(&DROPS);
        assert_ne!(successor, handle, "a freed place rests before it is used again");
        free(successor);
        free(other);
    }

    #[test]
    fn arrays_of_handles_of_any_length() {
        let mut stones: Vec<*mut aet_test_stone> = (0..40).map(stone).collect();
        let read = |stones: &[*mut aet_test_stone]| {
            let mut sum = 0;
            let status = call(|host| {
                let list =
                    host.inputs(stones.as_ptr().cast::<*const aet_test_stone>(), stones.len() as i64, "stones")?;
                sum = list.iter().map(|value| **value).sum();
                Ok(())
            });
            (status as i32, sum)
        };
        assert_eq!(read(&stones), (0, 780));
        assert_eq!(read(&[]), (0, 0));
        assert_eq!(read(&[stones[0], std::ptr::null_mut()]).0, 100);
        free(stones[39]);
        assert_eq!(read(&stones).0, aet_status::AET_ERROR_STALE_HANDLE as i32);
        stones.truncate(39);
        assert_eq!(read(&stones), (0, 741));
        stones.into_iter().for_each(free);
    }

    #[test]
    fn freed_places_are_used_again() {
        let mut seen = std::collections::HashSet::new();
        for _ in 0..4 * RESTING {
            let handle = stone(1);
            seen.insert(handle as usize);
            free(handle);
        }
        assert!(seen.len() <= 2 * RESTING, "{} places for one object at a time", seen.len());
    }

    #[test]
    fn a_panic_poisons_what_can_be_damaged() {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        let (damaged, input, rock) = (create(&DROPS), create(&DROPS), stone(1));
        let status = call(|host| {
            host.object(damaged, "box")?;
            host.input(input, "input")?;
            host.object(rock, "stone")?;
            panic!("defect");
        });
        assert_eq!(status, aet_status::AET_ERROR_INTERNAL);
        assert_eq!(use_it(damaged), aet_status::AET_ERROR_POISONED);
        assert_eq!(use_it(input), aet_status::AET_OK);
        assert_eq!(call(|host| host.object(rock, "stone").map(|_| ())), aet_status::AET_OK);
        for handle in [damaged, input] {
            free(handle);
        }
        free(rock);
        assert_eq!(DROPS.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn one_changing_call_at_a_time() {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        let handle = create(&DROPS);
        let status = call(|host| {
            host.object_exclusive(handle, "box")?;
            let nested = call(|host| host.object_exclusive(handle, "box").map(|_| ()));
            assert_eq!(nested, aet_status::AET_ERROR_BUSY);
            assert_eq!(use_it(handle), aet_status::AET_OK, "const calls go on");
            Ok(())
        });
        assert_eq!(status, aet_status::AET_OK);
        assert_eq!(call(|host| host.object_exclusive(handle, "box").map(|_| ())), aet_status::AET_OK);
        free(handle);
    }

    #[test]
    fn an_object_outlives_the_calls_at_work_on_it() {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        let handle = create(&DROPS);
        let status = call(|host| {
            let object = host.object(handle, "box")?;
            free(handle);
            assert_eq!(use_it(handle), aet_status::AET_ERROR_STALE_HANDLE);
            assert_eq!(object.0.load(Ordering::SeqCst), 0, "still there");
            Ok(())
        });
        assert_eq!(status, aet_status::AET_OK);
        assert_eq!(DROPS.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn threads_use_and_free_at_once() {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        for round in 0..200 {
            let address = create(&DROPS) as usize;
            std::thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(move || {
                        let handle = address as *mut aet_test_box;
                        let status = use_it(handle);
                        assert!([aet_status::AET_OK, aet_status::AET_ERROR_STALE_HANDLE].contains(&status));
                        free(handle);
                    });
                }
            });
            assert_eq!(DROPS.load(Ordering::SeqCst), round + 1);
        }
    }
}
