//! Second-order access to a reconstruction

use super::guard::guard;
use super::recon::{aet_recon, expect_length};
use super::status::aet_status;
use super::view::aet_view;
use crate::Error;
use ndarray::ArrayView3;

/// Random vectors of an estimate of the diagonal, unless told otherwise.
const PROBES: i32 = 16;

/// Change of the images `images` [n_images] at `x` [n] per unit of the direction `direction` [n] of x: J d into `out`
/// [n_images,rows,columns], any real element type that holds it. It is the exact derivative of aet_recon_predict along
/// the direction, and aet_recon_pull_back is its exact adjoint. NULL with n_images 0: all that are not excluded.
///
/// AET_ERROR_STALE_PARAMETERS for another n than aet_recon_parameter_count, AET_ERROR_NON_FINITE (in x or direction),
/// AET_ERROR_RANGE (image numbers), AET_ERROR_INCONSISTENT (an image named twice), AET_ERROR_SHAPE,
/// AET_ERROR_NOT_READY (no images), AET_CANCELLED. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_push_forward(
    recon: *const aet_recon,
    n: i64,
    x: *const f64,
    images: *const i64,
    n_images: i64,
    direction: *const f64,
    out: *const aet_view,
) -> aet_status {
    guard("aet_recon_push_forward", |host| {
        let recon = host.object(recon, "recon")?;
        let (x, direction) = (host.slice(x, n, "x")?, host.slice(direction, n, "direction")?);
        let images = host.image_numbers(recon.as_ref(), images, n_images)?;
        let mut out = host.out_view(out, "out")?;
        let (rows, columns) = recon.image_shape();
        let shape = (images.len(), rows, columns);
        out.expect_shape(&[shape.0, shape.1, shape.2])?;
        out.expect_holds::<f64>()?;
        expect_length(recon.as_ref(), x.len(), recon.layout().free_len())?;
        let change = recon.push_forward(x, direction, Some(&images))?;
        out.write(&ArrayView3::from_shape(shape, &change).map_err(|e| Error::Internal(e.to_string()))?)
    })
}

/// Product of the direction `direction` [n] of x with the Gauss-Newton matrix of the loss over `images` [n_images] at
/// `x` [n]: J^T W J d / p into `product` [n], with p used pixels and the derivatives J of the images with respect to x.
/// W is the second derivative of the loss with respect to a calculated pixel: 1 for AET_LOSS_MSE; 1 / I_cal for
/// AET_LOSS_POISSON (Fisher scoring: expected over counts; not below 1e-3 of the mean intensity). The matrix is
/// symmetric and positive semi-definite and belongs to the loss that aet_recon_loss_and_gradient returns, terms of the
/// host left out. A product costs about three losses. Solvers: conjugate gradients, Nocedal and Wright, Numerical
/// Optimization, algorithm 7.1. `product` may be `direction`.
///
/// Images and errors as for aet_recon_push_forward. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_gauss_newton_product(
    recon: *const aet_recon,
    n: i64,
    x: *const f64,
    images: *const i64,
    n_images: i64,
    direction: *const f64,
    product: *mut f64,
) -> aet_status {
    guard("aet_recon_gauss_newton_product", |host| {
        let recon = host.object(recon, "recon")?;
        let (x, direction) = (host.slice(x, n, "x")?, host.slice(direction, n, "direction")?);
        let product = host.out_slice(product, n, "product")?;
        let images = host.image_numbers(recon.as_ref(), images, n_images)?;
        expect_length(recon.as_ref(), x.len(), recon.layout().free_len())?;
        product.set(&recon.gauss_newton_product(x, direction, Some(&images))?)
    })
}

/// Estimates the diagonal of that matrix into `diagonal` [n], for preconditioners and scales: the mean of `probes`
/// squares (J^T sqrt(W) e)^2 / p with random signs e of a fixed seed (0: 16 probes). It is unbiased and not negative;
/// each value has the relative standard error sqrt(2 / probes), so that means over blocks or species are much better.
/// A probe costs about as much as a loss with its gradient. Results are the same for every number of threads.
///
/// Images and errors as for aet_recon_push_forward; AET_ERROR_RANGE for probes below 0 or above 10000. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_gauss_newton_diagonal(
    recon: *const aet_recon,
    n: i64,
    x: *const f64,
    images: *const i64,
    n_images: i64,
    probes: i32,
    diagonal: *mut f64,
) -> aet_status {
    guard("aet_recon_gauss_newton_diagonal", |host| {
        let recon = host.object(recon, "recon")?;
        let x = host.slice(x, n, "x")?;
        let diagonal = host.out_slice(diagonal, n, "diagonal")?;
        let images = host.image_numbers(recon.as_ref(), images, n_images)?;
        let probes = if probes == 0 { PROBES } else { probes };
        let probes =
            usize::try_from(probes).map_err(|_| Error::range("probes", probes, "1 to 10000, or 0 for automatic"))?;
        diagonal.set(&recon.gauss_newton_diagonal(x, Some(&images), probes)?)
    })
}

/// For every value of the present x the number that it had in the x of an earlier `generation`, counted from 0, or -1
/// where it was no part of that x: `map` [n], n = aet_recon_parameter_count. With it an optimiser of the host keeps what
/// it remembers of each parameter when a block is frozen or freed or a run has taken up appended images. For the present
/// generation it is 0, 1, 2, ...
///
/// AET_ERROR_RANGE for a generation that this reconstruction has not had (those before a state was loaded are not
/// known), AET_ERROR_STALE_PARAMETERS for another n. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_index_map(
    recon: *const aet_recon,
    generation: u64,
    n: i64,
    map: *mut i64,
) -> aet_status {
    guard("aet_recon_index_map", |host| {
        let recon = host.object(recon, "recon")?;
        let place = host.out_slice(map, n, "map")?;
        let map = recon.index_map(generation)?;
        expect_length(recon.as_ref(), host.count(n, "n")?, map.len())?;
        let number = |old: &Option<usize>| old.map_or(-1, |old| old as i64);
        place.set(&map.iter().map(number).collect::<Vec<i64>>())
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::fixture::{message, view, Scene};
    use super::super::*;
    use super::*;
    use std::ptr;

    #[test]
    fn changes_and_products() {
        let scene = Scene::small(aet_lot_model::Rigid);
        let (x, images) = (scene.parameters(), [5_i64, 2]);
        let (n, direction) = (x.len() as i64, vec![0.01; x.len()]);
        let (mut change, mut product, mut diagonal) = (vec![0.0; 2 * 41 * 38], vec![0.0; x.len()], vec![0.0; x.len()]);
        let raw = view(&mut change, &[2, 41, 38]);
        let recon = scene.recon;
        // SAFETY: a handle, and views and arrays of the sizes told.
        unsafe {
            let push = |n: i64, images: &[i64], d: *const f64, raw: &aet_view| {
                aet_recon_push_forward(recon, n, x.as_ptr(), images.as_ptr(), images.len() as i64, d, raw) as i32
            };
            let d = direction.as_ptr();
            assert_eq!(push(n, &images, d, &raw), 0, "{}", message());
            assert_eq!(push(n, &images, d, &aet_view { ndim: 2, ..raw }), 101);
            assert_eq!(push(n - 1, &images, d, &raw), 108);
            assert_eq!(push(n, &[6, 0], d, &raw), 103);
            assert_eq!(push(n, &[1, 1], d, &raw), 302);
            assert_eq!(push(n, &images, ptr::null(), &raw), 100);
            assert_eq!(push(n, &images, vec![f64::NAN; x.len()].as_ptr(), &raw), 300);
            assert!(message().contains("direction"), "{}", message());

            let to = product.as_mut_ptr();
            let status = aet_recon_gauss_newton_product(recon, n, x.as_ptr(), images.as_ptr(), 2, d, to);
            assert_eq!(status as i32, 0, "{}", message());
            let wanted = change.iter().map(|c| c * c).sum::<f64>() / change.len() as f64;
            let got: f64 = product.iter().map(|p| 0.01 * p).sum();
            assert!((got / wanted - 1.0).abs() < 1e-4, "{got} {wanted}");

            let all = |probes: i32, to: *mut f64| {
                aet_recon_gauss_newton_diagonal(recon, n, x.as_ptr(), ptr::null(), 0, probes, to) as i32
            };
            assert_eq!(all(0, diagonal.as_mut_ptr()), 0, "{}", message());
            assert!(diagonal.iter().all(|d| *d > 0.0));
            assert_eq!(all(-1, diagonal.as_mut_ptr()), 103);
            assert_eq!(all(1, ptr::null_mut()), 100);
        }
    }

    #[test]
    fn values_are_followed_through_generations() {
        let scene = Scene::small(aet_lot_model::Direct);
        let first = scene.parameters().len();
        let map = |generation: u64, n: usize| {
            let mut map = vec![-7; n];
            // SAFETY: a handle and a local of the size told.
            let status = unsafe { aet_recon_index_map(scene.recon, generation, n as i64, map.as_mut_ptr()) };
            (status as i32, map)
        };
        assert_eq!(map(1, first), (0, (0..first as i64).collect()));
        // SAFETY: a handle and a string.
        assert_eq!(unsafe { aet_recon_freeze(scene.recon, c"heights".as_ptr(), 1) } as i32, 0);
        let second = scene.parameters().len();
        assert_eq!(second, first - 12);
        let without: Vec<i64> = (0..36).chain(48..first as i64).collect();
        assert_eq!(map(1, second), (0, without));
        assert_eq!(map(1, first).0, 108);
        assert_eq!(map(3, second).0, 103);
        assert!(message().contains("wanted 1 to 2 (the present one)"), "{}", message());
        // SAFETY: a handle and a string.
        assert_eq!(unsafe { aet_recon_freeze(scene.recon, c"heights".as_ptr(), 0) } as i32, 0);
        let (status, of_second) = map(2, first);
        assert_eq!((status, of_second[36], of_second[48]), (0, -1, 36));

        let (images, mut frames) = super::super::fixture::common::frames(1, 2, 41, 38);
        frames.tilt = None;
        scene.series.append_tilt(images.view(), &frames).unwrap();
        scene.run(1, &mut |_| 0);
        let grown = scene.parameters().len();
        let (status, of_third) = map(3, grown);
        assert_eq!((status, grown, of_third[grown - 3]), (0, first + 2, first as i64 - 1));
        assert_eq!(of_third[grown - 2..], [-1, -1]);
    }
}
