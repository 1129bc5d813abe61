//! A volume from the tilt series of a dataset folder, by any method of the library.
//!
//! ```text
//! cargo run --release --example tomography -- --data FOLDER --method fbp|wbp|art|sart|sirt|cgls|resire
//!                                                  |genfire|est|resire_fourier
//!   [--variant KEY] [--iterations N] [--plain] [--relaxation L] [--shape Z,Y,X] [--held-out PART]
//!   [--background none|automatic] [--subset all|even|odd] [--threads N] [--out DIR]
//! ```
//! The last line holds `key=value` pairs: `r1` with the library's own projector, `r1_bilinear` with a plain bilinear sum in
//! double precision written here, `correlation` with the true volume of the folder, or else the published one, where it has
//! one, over the voxels that both have about the origin (`correlation_with` says which). `--out` gets volume.mrc and a picture of three slices.

use aet::context::{Context, ContextOptions};
use aet::dataset::{SeriesVersion, TiltSeries};
use aet::io::dataset_folder::{self, Which};
use aet::io::mrc;
use aet::optimize::{RunOptions, Stopping};
use aet::problem::Progress;
use aet::reconstruct::{
    tomography_memory_estimate, Background, Reconstruct, Tomography, TomographyMethod, TomographyOptions, ViewSubset,
};
use aet::specimen::Volume;
use plotters::prelude::*;
use std::path::{Path, PathBuf};
use std::time::Instant;

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

struct Arguments {
    data: PathBuf,
    variant: Option<String>,
    threads: Option<usize>,
    out: Option<PathBuf>,
    options: TomographyOptions,
}

fn parse() -> Fallible<Arguments> {
    let mut cli = pico_args::Arguments::from_env();
    let shape = |text: &str| -> Result<[usize; 3], String> {
        let numbers: Result<Vec<usize>, _> = text.split(',').map(str::parse).collect();
        numbers.ok().and_then(|n| n.try_into().ok()).ok_or_else(|| format!("--shape {text}: wanted Z,Y,X"))
    };
    let options = TomographyOptions {
        method: cli.value_from_fn("--method", TomographyMethod::named)?,
        iterations: cli.opt_value_from_str("--iterations")?,
        accelerated: !cli.contains("--plain"),
        relaxation: cli.opt_value_from_str("--relaxation")?,
        shape: cli.opt_value_from_fn("--shape", shape)?,
        held_out: cli.opt_value_from_str("--held-out")?.unwrap_or(0.0),
        background: match cli.opt_value_from_str::<_, String>("--background")?.as_deref() {
            Some("automatic") => Background::Automatic,
            None | Some("none") => Background::None,
            Some(other) => return Err(format!("--background {other}: wanted none or automatic").into()),
        },
        subset: match cli.opt_value_from_str::<_, String>("--subset")?.as_deref() {
            None | Some("all") => ViewSubset::All,
            Some("even") => ViewSubset::Even,
            Some("odd") => ViewSubset::Odd,
            Some(other) => return Err(format!("--subset {other}: wanted all, even or odd").into()),
        },
        ..Default::default()
    };
    let arguments = Arguments {
        data: cli.value_from_str("--data")?,
        variant: cli.opt_value_from_str("--variant")?,
        threads: cli.opt_value_from_str("--threads")?,
        out: cli.opt_value_from_str("--out")?,
        options,
    };
    match cli.finish() {
        rest if rest.is_empty() => Ok(arguments),
        rest => Err(format!("unknown arguments: {rest:?}").into()),
    }
}

/// Mean over the images of sum |b - A V| / sum |b|, by a sum over voxels written out.
fn r1_bilinear(volume: &Volume, version: &SeriesVersion) -> f64 {
    let (rows, columns, pixel) = (version.rows(), version.columns(), version.pixel_size());
    let used = version.used_images();
    let r1 = |image: &usize| {
        let image = &version.images()[*image];
        let mut calculated = vec![0.0; rows * columns];
        for ((z, y, x), value) in volume.values().indexed_iter() {
            let p = volume.position([z as f64, y as f64, x as f64]);
            let along = |axis: usize| (0..3).map(|i| image.rotation[axis][i] * p[i]).sum::<f64>() + image.drift[axis];
            let (c, r) = ((columns / 2) as f64 + along(0) / pixel, (rows / 2) as f64 + along(1) / pixel);
            for (row, of_row) in [(r.floor(), 1.0 - r + r.floor()), (r.floor() + 1.0, r - r.floor())] {
                for (column, of_column) in [(c.floor(), 1.0 - c + c.floor()), (c.floor() + 1.0, c - c.floor())] {
                    if (0.0..rows as f64).contains(&row) && (0.0..columns as f64).contains(&column) {
                        calculated[row as usize * columns + column as usize] += of_row * of_column * f64::from(*value);
                    }
                }
            }
        }
        let (mut off, mut total) = (0.0, 0.0);
        for (i, (measured, calculated)) in image.pixels.iter().zip(&calculated).enumerate() {
            if image.uses(i) {
                off += (f64::from(*measured) - calculated).abs();
                total += f64::from(*measured).abs();
            }
        }
        off / total
    };
    used.iter().map(r1).sum::<f64>() / used.len() as f64
}

/// Pearson's coefficient over all voxels.
fn correlation(a: &Volume, b: &Volume) -> f64 {
    let n = a.as_slice().len() as f64;
    let mean = |v: &Volume| v.as_slice().iter().map(|v| f64::from(*v)).sum::<f64>() / n;
    let (ma, mb) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in a.as_slice().iter().zip(b.as_slice()) {
        let (x, y) = (f64::from(*x) - ma, f64::from(*y) - mb);
        (ab, aa, bb) = (ab + x * y, aa + x * x, bb + y * y);
    }
    ab / (aa * bb).sqrt()
}

/// Correlation with the folder's volume, and which it is.
fn compared(volume: &Volume, folder: &Path, variant: Option<&str>) -> (f64, &'static str) {
    for (which, name) in [(Which::Truth, "truth"), (Which::Published, "published")] {
        let other = dataset_folder::read_volume(folder, which, variant).ok();
        if let Some((ours, theirs)) = other.and_then(|other| overlap(volume, &other)) {
            return (correlation(&ours, &theirs), name);
        }
    }
    (f64::NAN, "none")
}

/// The voxels that both volumes have about their common origin, where their sizes are equal.
fn overlap(a: &Volume, b: &Volume) -> Option<(Volume, Volume)> {
    if (a.voxel_size() - b.voxel_size()).abs() > 1e-6 * a.voxel_size() {
        return None;
    }
    let shape: [usize; 3] = std::array::from_fn(|i| a.shape()[i].min(b.shape()[i]));
    let cut = |v: &Volume| {
        let first: [usize; 3] = std::array::from_fn(|i| v.shape()[i] / 2 - shape[i] / 2);
        let range = |i: usize| first[i]..first[i] + shape[i];
        Volume::new(v.values().slice(ndarray::s![range(0), range(1), range(2)]).to_owned(), v.voxel_size()).ok()
    };
    Some((cut(a)?, cut(b)?))
}

/// Peak resident memory in MiB, where the system tells it.
fn peak_memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<f64>().ok()).map_or(f64::NAN, |kib| kib / 1024.0)
}

/// The three slices through the origin, side by side.
fn picture(volume: &Volume, path: &Path) -> Fallible<()> {
    let [nz, ny, nx] = volume.shape();
    let v = volume.values();
    let most = volume.as_slice().iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    let zoom = (900 / (2 * nx + nz).max(1)).max(1);
    let size = (((2 * nx + nz + 2) * zoom) as u32, (ny.max(nz) * zoom) as u32);
    let area = BitMapBackend::new(path, size).into_drawing_area();
    area.fill(&RGBColor(30, 40, 60))?;
    let slice = |left: usize, width: usize, height: usize, value: &dyn Fn(usize, usize) -> f32| -> Fallible<()> {
        for row in 0..height * zoom {
            for column in 0..width * zoom {
                let grey = (255.0 * (value(row / zoom, column / zoom) / most).clamp(0.0, 1.0).sqrt()) as u8;
                area.draw_pixel(((left * zoom + column) as i32, row as i32), &RGBColor(grey, grey, grey))?;
            }
        }
        Ok(())
    };
    slice(0, nx, ny, &|y, x| v[[nz / 2, y, x]])?;
    slice(nx + 1, nx, nz, &|z, x| v[[z, ny / 2, x]])?;
    slice(2 * nx + 2, nz, ny, &|y, z| v[[z, y, nx / 2]])?;
    area.present()?;
    Ok(())
}

fn run() -> Fallible<()> {
    let arguments = parse()?;
    let context = Context::new(&ContextOptions { threads: arguments.threads, simd: None })?;
    let variant = arguments.variant.as_deref();
    let series: TiltSeries = dataset_folder::read(&arguments.data, variant, &mut |_| true)?;
    let estimate = tomography_memory_estimate(&context, &series, &arguments.options)?;
    let clock = Instant::now();
    let recon = Tomography::new(&context, &series, &arguments.options, None, None)?;
    let iterations = arguments.options.iterations();
    let stopping = Stopping { max_iterations: iterations, loss_tolerance: 0.0, ..Default::default() };
    let mut told = Instant::now();
    let ended = recon.run(&RunOptions::from(&stopping), &mut |p: &Progress| {
        if told.elapsed().as_secs() >= 2 {
            told = Instant::now();
            println!("iteration {} of {iterations}: R {:.5}", p.iteration, p.r_factor);
        }
        true
    })?;
    let seconds = clock.elapsed().as_secs_f64();
    let memory = peak_memory();
    let volume = recon.volume()?;
    let done = recon.history().len();
    let r_factors: Vec<f64> = recon.r_factors().into_iter().filter(|r| r.is_finite()).collect();
    let r1 = r_factors.iter().sum::<f64>() / r_factors.len() as f64;
    let (correlation, with) = compared(&volume, &arguments.data, variant);
    if let Some(folder) = &arguments.out {
        std::fs::create_dir_all(folder)?;
        let path = folder.join("volume.mrc");
        mrc::write(&path, volume.values(), volume.voxel_size(), mrc::MrcKind::Volume, &mut |_| true)?;
        picture(&volume, &folder.join("slices.png"))?;
    }
    println!("{:?}, {} threads, {}", ended, context.threads(), context.simd().name());
    println!(
        "method={} iterations={done} seconds={seconds:.3} seconds_per_iteration={:.5} r1={r1:.5} r1_bilinear={:.5} \
         correlation={correlation:.4} correlation_with={with} memory_mib={memory:.0} estimate_mib={:.0}",
        arguments.options.method.name(),
        seconds / done.max(1) as f64,
        r1_bilinear(&volume, &series.version()),
        estimate as f64 / (1 << 20) as f64,
    );
    Ok(())
}

fn main() {
    if let Err(error) = run() {
        eprintln!("tomography: {error}");
        std::process::exit(1);
    }
}
