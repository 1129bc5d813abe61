use super::support::*;
use aet::capi::*;
use ndarray::Array2;
use num_complex::{Complex32, Complex64};
use std::ptr;

fn options() -> aet_probe_options {
    // SAFETY: the structure holds numbers only.
    let mut options: aet_probe_options = unsafe { std::mem::zeroed() };
    // SAFETY: a local structure.
    ok(unsafe { aet_probe_options_init(&mut options, size_of::<aet_probe_options>()) });
    aet_probe_options { energy_ev: 300e3, semiangle_mrad: 25.0, ..options }
}

fn create(options: &aet_probe_options) -> Result<*mut aet_probe, aet_status> {
    let mut probe = ptr::null_mut();
    // SAFETY: local options and place.
    match unsafe { aet_probe_create(options, &mut probe) } {
        aet_status::AET_OK => Ok(probe),
        status => Err(status),
    }
}

#[test]
fn description_and_getters() {
    let probe = create(&aet_probe_options { defocus: 50.0, c30: 1e5, source_size: 0.4, ..options() }).unwrap();
    // SAFETY: live, stale or NULL handles.
    unsafe {
        assert!((aet_probe_wavelength(probe) - 0.019687).abs() < 1e-6);
        assert_eq!((aet_probe_energy_ev(probe), aet_probe_semiangle_mrad(probe)), (300e3, 25.0));
        assert_eq!(aet_probe_defocus(probe), 50.0);
        aet_probe_free(probe);
        assert!(aet_probe_wavelength(probe).is_nan() && aet_probe_energy_ev(ptr::null()).is_nan());
        assert!(aet_probe_semiangle_mrad(ptr::null()).is_nan() && aet_probe_defocus(ptr::null()).is_nan());
        aet_probe_free(ptr::null_mut());
    }
}

#[test]
fn impossible_probes() {
    let refused = |options: aet_probe_options| create(&options).unwrap_err();
    fails(refused(aet_probe_options { energy_ev: 0.0, ..options() }), 103, &["energy"]);
    fails(refused(aet_probe_options { semiangle_mrad: 0.0, ..options() }), 103, &["semiangle_mrad is 0"]);
    fails(refused(aet_probe_options { c45: f64::NAN, ..options() }), 103, &["C45"]);
    fails(refused(aet_probe_options { defocus: f64::INFINITY, ..options() }), 103, &["defocus"]);
    fails(refused(aet_probe_options { source_size: -1.0, ..options() }), 103, &["source_size"]);
    fails(refused(aet_probe_options { aperture: 2, ..options() }), 104, &["aperture", "AET_APERTURE_HARD = 1"]);
    fails(refused(aet_probe_options { struct_size: 0, ..options() }), 106, &["aet_probe_options"]);
    let mut probe = ptr::null_mut();
    // SAFETY: NULL or local.
    unsafe {
        fails(aet_probe_create(ptr::null(), &mut probe), 100, &["options"]);
        fails(aet_probe_create(&options(), ptr::null_mut()), 100, &["probe"]);
    }
}

/// Every member of the options is the aberration of its name.
#[test]
fn aberrations_have_their_names() {
    type Set = fn(&mut aet_probe_options, f64);
    let coefficients: [(&str, Set); 13] = [
        ("C12", |o, v| o.c12 = v),
        ("C21", |o, v| o.c21 = v),
        ("C23", |o, v| o.c23 = v),
        ("C30", |o, v| o.c30 = v),
        ("C32", |o, v| o.c32 = v),
        ("C34", |o, v| o.c34 = v),
        ("C41", |o, v| o.c41 = v),
        ("C43", |o, v| o.c43 = v),
        ("C45", |o, v| o.c45 = v),
        ("C50", |o, v| o.c50 = v),
        ("C52", |o, v| o.c52 = v),
        ("C54", |o, v| o.c54 = v),
        ("C56", |o, v| o.c56 = v),
    ];
    for (name, set) in coefficients {
        let mut described = options();
        let order = i32::from(name.as_bytes()[1] - b'0');
        // About one radian at the edge of the aperture.
        let value = 0.02 / 0.025_f64.powi(order + 1);
        set(&mut described, value);
        let wanted = aet::optics::ProbeOptions::new(300e3, 25.0).aberration(name, value).unwrap().build().unwrap();
        let wanted = wanted.wave((12, 10), 0.3, 5.0, (0.0, 0.0)).unwrap();
        let probe = create(&described).unwrap();
        let mut wave = Array2::<Complex64>::zeros((12, 10));
        // SAFETY: a live handle, a local array.
        unsafe {
            ok(aet_probe_wave(probe, 0.3, 5.0, 0.0, 0.0, &out(&mut wave)));
            aet_probe_free(probe);
        }
        assert_eq!(wave, wanted, "{name}");
    }
}

#[test]
fn waves_and_intensities_into_views() {
    let probe = create(&aet_probe_options { defocus: 20.0, ..options() }).unwrap();
    let mut double = Array2::<Complex64>::zeros((32, 30));
    let mut single = Array2::<Complex32>::zeros((32, 30));
    let mut blur = Array2::<f32>::zeros((32, 30));
    // SAFETY: a live handle, local arrays.
    unsafe {
        ok(aet_probe_wave(probe, 0.3, 20.0, 0.0, 0.0, &out(&mut double)));
        ok(aet_probe_wave(probe, 0.3, 20.0, 0.0, 0.0, &out(&mut single)));
        let power: f64 = double.iter().map(|v| v.norm_sqr()).sum();
        assert!((power * 32.0 * 30.0 - 1.0).abs() < 1e-12);
        assert!(double.iter().zip(&single).all(|(d, s)| (d.re - f64::from(s.re)).abs() < 1e-6));
        let brightest = double.indexed_iter().max_by(|a, b| a.1.norm().total_cmp(&b.1.norm())).unwrap().0;
        assert_eq!(brightest, (16, 15), "in focus at depth = defocus, on pixel n / 2");
        ok(aet_probe_intensity(probe, 0.3, 20.0, &out(&mut blur)));
        assert!((blur.sum() - 1.0).abs() < 1e-5);

        fails(aet_probe_wave(probe, 0.0, 0.0, 0.0, 0.0, &out(&mut double)), 103, &["pixel"]);
        fails(aet_probe_wave(probe, 0.3, f64::NAN, 0.0, 0.0, &out(&mut double)), 103, &["depth"]);
        fails(aet_probe_wave(probe, 2.0, 0.0, 0.0, 0.0, &out(&mut double)), 103, &["semi"]);
        fails(aet_probe_wave(probe, 0.3, 0.0, 0.0, 0.0, &out(&mut blur)), 102, &["AET_DTYPE_C128"]);
        fails(aet_probe_wave(probe, 0.3, 0.0, 0.0, 0.0, ptr::null()), 100, &["out"]);
        fails(aet_probe_intensity(probe, 0.3, 0.0, &out(&mut double)), 102, &["AET_DTYPE_F64"]);
        let mut whole = Array2::<u16>::zeros((8, 8));
        fails(aet_probe_intensity(probe, 0.3, 0.0, &out(&mut whole)), 102, &["AET_DTYPE_U16"]);
        let mut line = ndarray::Array1::<f64>::zeros(8);
        fails(aet_probe_intensity(probe, 0.3, 0.0, &out(&mut line)), 101, &["[rows, columns]"]);
        let mut nothing = Array2::<f64>::zeros((0, 8));
        fails(aet_probe_intensity(probe, 0.3, 0.0, &out(&mut nothing)), 101, &[]);
        aet_probe_free(probe);
        fails(aet_probe_intensity(probe, 0.3, 0.0, &out(&mut blur)), 105, &["aet_probe"]);
    }
}
