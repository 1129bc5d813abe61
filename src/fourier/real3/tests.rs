use super::*;
use crate::context::ContextOptions;
use num_complex::Complex64;
use std::f64::consts::TAU;

fn context(threads: usize, simd: SimdPath) -> Context {
    Context::new(&ContextOptions { threads: Some(threads), simd: Some(simd) }).unwrap()
}

/// Runs `work` with a waiting side that never cancels.
fn waiting<R>(context: &Context, work: impl FnOnce(&mut Waiting<'_>) -> R) -> R {
    let cancel = context.cancel_token();
    work(&mut Waiting { cancel: &cancel, tell: &mut |_| true })
}

fn values(len: usize) -> Vec<f64> {
    (0..len).map(|i| (i as f64 * 0.71).sin() + 0.05 * (i % 7) as f64).collect()
}

fn direct(volume: &[f64], shape: [usize; 3], size: [usize; 3], origin: [usize; 3], k: [usize; 3]) -> Complex64 {
    let place = |i: usize| [i / (shape[1] * shape[2]), i / shape[2] % shape[1], i % shape[2]];
    let turn = |p: [usize; 3]| -> f64 {
        (0..3).map(|a| k[a] as f64 * (p[a] as f64 - origin[a] as f64) / size[a] as f64).sum()
    };
    volume.iter().enumerate().map(|(i, v)| Complex64::from_polar(*v, -TAU * turn(place(i)))).sum()
}

fn check<T: Real>(path: SimdPath, shape: [usize; 3], size: [usize; 3], origin: [usize; 3], tolerance: f64) {
    let context = context(2, path);
    let plan = RealTransform3::<T>::padded(path, shape, size, origin).unwrap();
    let volume = values(shape.iter().product());
    let given: Vec<T> = volume.iter().map(|v| T::of(*v)).collect();
    let nan = Complex::new(T::of(f64::NAN), T::of(f64::NAN));
    let mut spectrum = vec![nan; plan.spectrum_len()];
    let mut scratch = plan.scratch(2);
    waiting(&context, |w| plan.forward(&context, &given, &mut spectrum, &mut scratch, w)).unwrap();
    for (kz, ky, kx) in
        (0..size[0]).flat_map(|kz| (0..size[1]).flat_map(move |ky| (0..size[2] / 2 + 1).map(move |kx| (kz, ky, kx))))
    {
        let got = spectrum[plan.index([kz, ky, kx])];
        let wanted = direct(&volume, shape, size, origin, [kz, ky, kx]);
        let error = (Complex64::new(got.re.f64(), got.im.f64()) - wanted).norm();
        assert!(error < tolerance, "{shape:?} in {size:?} at {kz} {ky} {kx}: {got:?} {wanted}");
    }
    let mut back = vec![T::of(f64::NAN); given.len()];
    waiting(&context, |w| plan.inverse(&context, &spectrum, &mut back, &mut scratch, w)).unwrap();
    let mut filtered = given.clone();
    let twice = |slab: Slab<'_, T>| {
        for row in 0..slab.values.rows() {
            let (re, im) = slab.values.row_mut(row);
            re.iter_mut().chain(im).for_each(|v| *v *= T::of(2.0));
        }
        Ok(())
    };
    waiting(&context, |w| plan.filter(&context, &mut filtered, &mut scratch, w, &twice)).unwrap();
    let mut other = vec![T::of(f64::NAN); given.len()];
    waiting(&context, |w| plan.filter_into(&context, (&given, &mut other), &mut scratch, w, &twice)).unwrap();
    assert!(other == filtered);
    for (i, wanted) in volume.iter().enumerate() {
        assert!((back[i].f64() - wanted).abs() < tolerance, "{shape:?} in {size:?}: voxel {i}");
        assert!((filtered[i].f64() - 2.0 * wanted).abs() < tolerance, "{shape:?} in {size:?}: filtered voxel {i}");
    }
}

#[test]
fn agrees_with_the_direct_sum_for_all_parities_and_paddings() {
    for path in [SimdPath::Portable, SimdPath::detect()] {
        for (shape, size, origin) in [
            ([4, 6, 8], [4, 6, 8], [0, 0, 0]),
            ([5, 7, 9], [5, 7, 9], [0, 0, 0]),
            ([3, 4, 5], [8, 9, 10], [1, 2, 2]),
            ([6, 5, 4], [7, 12, 15], [3, 2, 2]),
            ([1, 1, 1], [1, 1, 1], [0, 0, 0]),
            ([2, 1, 3], [2, 1, 18], [1, 0, 1]),
        ] {
            check::<f64>(path, shape, size, origin, 1e-10);
            check::<f32>(path, shape, size, origin, 1e-3);
        }
    }
}

#[test]
fn threads_change_nothing() {
    let (shape, size) = ([13, 18, 20], [26, 36, 40]);
    let volume: Vec<f32> = values(shape.iter().product()).iter().map(|v| *v as f32).collect();
    let filtered = |threads: usize| {
        let path = SimdPath::detect();
        let context = context(threads, path);
        let plan = RealTransform3::<f32>::padded(path, shape, size, [6, 9, 10]).unwrap();
        let (mut volume, mut scratch) = (volume.clone(), plan.scratch(threads));
        let weaken = |slab: Slab<'_, f32>| {
            for (row, kz) in slab.kz_of_row.iter().enumerate() {
                let (re, im) = slab.values.row_mut(row);
                re.iter_mut().chain(im).for_each(|v| *v /= 1.0 + (kz.min(&(26 - kz)) + slab.ky) as f32);
            }
            Ok(())
        };
        for _ in 0..2 {
            waiting(&context, |w| plan.filter(&context, &mut volume, &mut scratch, w, &weaken)).unwrap();
        }
        volume
    };
    let one = filtered(1);
    assert!(one.iter().all(|v| v.is_finite()));
    assert!(one == filtered(2) && one == filtered(3));
}

#[test]
fn a_cancelled_filter_leaves_the_volume() {
    let context = context(2, SimdPath::detect());
    let plan = RealTransform3::<f32>::new(SimdPath::detect(), [8, 8, 8]).unwrap();
    let (mut volume, mut scratch) = (vec![1.0f32; 512], plan.scratch(2));
    let cancel = context.cancel_token();
    let mut refusing = Waiting { cancel: &cancel, tell: &mut |_| false };
    let clear = |slab: Slab<'_, f32>| {
        slab.values.clear();
        Ok(())
    };
    let outcome = plan.filter(&context, &mut volume, &mut scratch, &mut refusing, &clear);
    assert_eq!(outcome.unwrap_err().code(), 1);
    assert!(volume.iter().all(|v| *v == 1.0));
}

#[test]
fn bad_sizes_are_refused() {
    let new = |volume, size, origin| RealTransform3::<f32>::padded(SimdPath::Portable, volume, size, origin).err();
    for (volume, size, origin, part) in [
        ([0, 4, 4], [4, 4, 4], [0, 0, 0], "voxels along z is 0"),
        ([4, 4, 4], [4, 4, 3], [0, 0, 0], "voxels along x is 4"),
        ([4, 4, 4], [4, 99999, 4], [0, 0, 0], "along y is 99999"),
        ([4, 4, 4], [4, 4, 4], [0, 4, 0], "origin along y is 4"),
    ] {
        let error = new(volume, size, origin).unwrap();
        assert_eq!(error.code(), 103);
        assert!(error.to_string().contains(part), "{error}");
    }
    let context = context(1, SimdPath::Portable);
    let plan = RealTransform3::<f32>::new(SimdPath::Portable, [2, 3, 4]).unwrap();
    let mut scratch = plan.scratch(1);
    let mut keep = |len: usize| {
        let mut volume = vec![0.0; len];
        waiting(&context, |w| plan.filter(&context, &mut volume, &mut scratch, w, &|_| Ok(())))
    };
    assert_eq!(keep(23).unwrap_err().code(), 101);
    assert!(keep(24).is_ok());
}

/// Prints times: `cargo test --release --lib real3 -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn time() {
    for (shape, size) in [([128; 3], [128; 3]), ([64; 3], [128; 3]), ([256; 3], [256; 3])] {
        for threads in [1, 2] {
            let context = context(threads, SimdPath::detect());
            let plan = RealTransform3::<f32>::padded(SimdPath::detect(), shape, size, [0; 3]).unwrap();
            let (mut volume, mut scratch) = (vec![1.0f32; shape.iter().product()], plan.scratch(threads));
            let mut spectrum = vec![Complex::new(0.0f32, 0.0); plan.spectrum_len()];
            let mut best = [f64::MAX; 2];
            for _ in 0..10 {
                let began = std::time::Instant::now();
                waiting(&context, |w| plan.filter(&context, &mut volume, &mut scratch, w, &|_| Ok(()))).unwrap();
                best[0] = best[0].min(began.elapsed().as_secs_f64());
                let began = std::time::Instant::now();
                waiting(&context, |w| {
                    plan.forward(&context, &volume, &mut spectrum, &mut scratch, w)?;
                    plan.inverse(&context, &spectrum, &mut volume, &mut scratch, w)
                })
                .unwrap();
                best[1] = best[1].min(began.elapsed().as_secs_f64());
            }
            println!("{shape:?} in {size:?}, {threads} threads: filter {best:.4?} s (filter; forward and inverse)");
        }
    }
}
