//! Arrays that the reference simulator stored: the folder `abtem_reference` below AET_DATA_DIR.

use serde_json::Value;
use std::path::{Path, PathBuf};

/// The folder, whether it exists or not.
pub fn folder() -> PathBuf {
    let data = std::env::var_os("AET_DATA_DIR").map(PathBuf::from);
    data.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data")).join("abtem_reference")
}

/// What the folder says of itself; `None` where it is absent, which is told.
pub fn dataset() -> Option<Value> {
    let Ok(text) = std::fs::read_to_string(folder().join("dataset.json")) else {
        println!("skipped: no {} (set AET_DATA_DIR)", folder().display());
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}

/// An array as the simulator stored it.
pub struct Stored {
    pub shape: Vec<usize>,
    values: Vec<f64>,
}

impl Stored {
    /// A file of the folder.
    pub fn read(name: &str) -> Self {
        let file = std::fs::File::open(folder().join(name)).unwrap();
        let file = npyz::NpyFile::new(std::io::BufReader::new(file)).unwrap();
        assert_eq!(file.order(), npyz::Order::C);
        let shape = file.shape().iter().map(|n| *n as usize).collect();
        Stored { shape, values: file.into_vec::<f32>().unwrap().into_iter().map(f64::from).collect() }
    }

    pub fn at(&self, index: &[usize]) -> f64 {
        assert_eq!(index.len(), self.shape.len());
        self.values[index.iter().zip(&self.shape).fold(0, |place, (i, n)| place * n + i)]
    }

    pub fn largest(&self) -> f64 {
        self.values.iter().fold(0.0, |largest, v| v.abs().max(largest))
    }
}
