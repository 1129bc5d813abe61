//! Evaluations after the first take no memory that grows with atoms or pixels from the system.

mod common;

use aet::problem::Want;
use aet::reconstruct::{LossChoice, LotModel, LotOptions, Precision, Reconstruction};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

static BYTES: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, counting what is asked for.
struct Counting;

// SAFETY: passes everything on.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        System.alloc(layout)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        System.dealloc(pointer, layout)
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn bytes_of(mut work: impl FnMut()) -> usize {
    // Many calls to warm up: on a busy machine one worker may do all of the first ones, and the other's memory is new
    // when it comes to work at last.
    (0..100).for_each(|_| work());
    let before = BYTES.load(Ordering::Relaxed);
    (0..10).for_each(|_| work());
    (BYTES.load(Ordering::Relaxed) - before) / 10
}

#[test]
fn evaluations_reuse_their_memory() {
    // One test alone in this program, since the count is that of the whole process.
    for (model, loss) in [(LotModel::Direct, LossChoice::Mse), (LotModel::Rigid, LossChoice::Poisson)] {
        let series = common::series(4, 2, 96, 96);
        let options = LotOptions { model, loss: Some(loss), precision: Precision::Single, ..LotOptions::default() };
        let probe = common::probe();
        let recon =
            Reconstruction::local_orbital(&common::context(2), &series, Some(&probe), &common::atoms(), &options)
                .unwrap();
        let x = recon.parameters();
        let evaluated = bytes_of(|| {
            let want = Want { gradient: true, r_factors: false };
            recon.recycle(recon.evaluate(&x, None, want).unwrap());
        });
        let predicted = bytes_of(|| recon.predict_each(&x, &[0, 1, 4], &mut |_, _| Ok(())).unwrap());
        println!("{model:?}: {evaluated} bytes per evaluation, {predicted} per prediction");
        let one_image = 96 * 96 * 4;
        assert!(evaluated < one_image / 4, "{evaluated} bytes per evaluation");
        assert!(predicted < one_image / 4, "{predicted} bytes per prediction");
    }
}
