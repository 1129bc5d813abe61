//! Makes the dataset folders that the repository ships: `examples/data/demo` (the demo) and `examples/data/small` (the
//! examples and tests of all hosts). Deterministic: running it again writes the same bytes.
//!
//! `cargo run --release --example make_data [-- FOLDER]`

use aet::context::{Context, ContextOptions};
use aet::forward::local_orbital::Orbital;
use aet::geometry::rotation_about;
use aet::io::{dataset_folder, xyz};
use aet::optics::ProbeOptions;
use aet::simulate::{local_orbital_series, SeriesPlan};
use aet::specimen::{random_packing, Atoms};
use aet::{Error, Result};
use rand::SeedableRng;
use rand_distr::{Distribution, Normal};
use std::path::{Path, PathBuf};

struct Set {
    name: &'static str,
    atoms: usize,
    diameter: f64,
    pixels: usize,
    tilts: usize,
    foci: Vec<f64>,
    height: f64,
}

fn make(context: &Context, folder: &Path, set: &Set) -> Result<()> {
    let positions = random_packing(set.atoms, set.diameter, 2.21, 20)?;
    let silicon = |positions: Vec<[f64; 3]>| Atoms::new(positions)?.with_species(vec![14; set.atoms]);
    let truth = silicon(positions.clone())?;
    let step = 138.0 / (set.tilts - 1) as f64;
    let plan = SeriesPlan {
        orbital: Orbital::default(),
        rows: set.pixels,
        columns: set.pixels,
        pixel_size: 0.34,
        rotations: (0..set.tilts).map(|t| rotation_about(0, -69.0 + step * t as f64)).collect(),
        foci: set.foci.clone(),
        width: 0.35,
        height: set.height,
        background: 1.0,
        oversampling: 2,
        slice_thickness: 2.0,
        seed: Some(11),
    };
    let probe = ProbeOptions::new(300e3, 25.0).build()?;
    let series = local_orbital_series(context, &truth, Some(&probe), &plan)?;
    series.set_metadata("name", set.name, "")?;
    series.set_metadata(
        "made_by",
        "simulated by this library on a grid and slices twice as fine as a fit's; Poisson counts",
        "",
    )?;
    let folder = folder.join(set.name);
    let _ = std::fs::remove_file(folder.join("start.xyz")); // else the folder would not be replaced
    dataset_folder::write(&series, Some(&truth), &folder, &mut |_| true)?;
    // A start as a first tracing would give it: every atom found, 0.3 A rms per axis away.
    let normal = Normal::new(0.0, 0.3).map_err(|e| Error::Internal(e.to_string()))?;
    let mut random = rand_pcg::Pcg64Mcg::seed_from_u64(5);
    let start = silicon(positions.iter().map(|p| p.map(|v| v + normal.sample(&mut random))).collect())?;
    xyz::write(&start, &folder.join("start.xyz"))?;
    println!("{}: {} atoms, {} images", folder.display(), set.atoms, set.tilts * set.foci.len());
    Ok(())
}

fn main() -> Result<()> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data");
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| default.into()));
    std::fs::create_dir_all(&folder).map_err(|source| Error::File {
        operation: "creating",
        path: folder.clone(),
        source,
    })?;
    let context = Context::new(&ContextOptions::default())?;
    let sets = [
        Set {
            name: "demo",
            atoms: 1000,
            diameter: 31.0,
            pixels: 112,
            tilts: 24,
            foci: vec![-8.0, 0.0, 8.0],
            height: 24.0,
        },
        Set { name: "small", atoms: 60, diameter: 12.5, pixels: 56, tilts: 8, foci: vec![-6.0, 6.0], height: 200.0 },
    ];
    sets.iter().try_for_each(|set| make(&context, &folder, set))
}
