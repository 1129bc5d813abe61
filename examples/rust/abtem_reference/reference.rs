//! A folder of the schema `aet-simulation-reference/1`: what dataset.json says, and the arrays beside it.

use aet::io::{npy, structure};
use aet::optics::{Probe, ProbeOptions};
use aet::specimen::Atoms;
use ndarray::ArrayD;
use num_complex::Complex64;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const SCHEMA: &str = "aet-simulation-reference/1";

/// A value of dataset.json with the way to it, which messages name.
#[derive(Clone)]
pub struct Node<'a> {
    way: String,
    value: &'a Value,
}

impl<'a> Node<'a> {
    /// The member `key`, if there is one.
    pub fn find(&self, key: &str) -> Option<Node<'a>> {
        let value = self.value.get(key).filter(|v| !v.is_null())?;
        Some(Node { way: format!("{}/{key}", self.way), value })
    }

    pub fn get(&self, key: &str) -> Result<Node<'a>> {
        self.find(key).ok_or_else(|| format!("{} has no `{key}`", self.way).into())
    }

    fn wrong<T>(&self, wanted: &str) -> Result<T> {
        let got: String = self.value.to_string().chars().take(60).collect();
        Err(format!("{} is {got}, wanted {wanted}", self.way).into())
    }

    pub fn number(&self) -> Result<f64> {
        self.value.as_f64().map_or_else(|| self.wrong("a number"), Ok)
    }

    pub fn count(&self) -> Result<usize> {
        let count = self.value.as_u64().and_then(|n| usize::try_from(n).ok()).filter(|n| (1..=1 << 20).contains(n));
        count.map_or_else(|| self.wrong("a number 1 to 1048576"), Ok)
    }

    pub fn text(&self) -> Result<&'a str> {
        self.value.as_str().map_or_else(|| self.wrong("a text"), Ok)
    }

    /// The items of a list.
    pub fn list(&self) -> Result<Vec<Node<'a>>> {
        let node = |(i, value)| Node { way: format!("{}/{i}", self.way), value };
        self.value
            .as_array()
            .map_or_else(|| self.wrong("a list"), |list| Ok(list.iter().enumerate().map(node).collect()))
    }

    /// The members of an object.
    pub fn members(&self) -> Result<Vec<(&'a str, Node<'a>)>> {
        let Some(map) = self.value.as_object() else { return self.wrong("an object") };
        Ok(map.iter().map(|(key, value)| (key.as_str(), Node { way: format!("{}/{key}", self.way), value })).collect())
    }

    pub fn numbers(&self) -> Result<Vec<f64>> {
        self.list()?.iter().map(Node::number).collect()
    }

    /// \[x, y\], or one number for both.
    pub fn pair(&self) -> Result<(f64, f64)> {
        if let Some(both) = self.value.as_f64() {
            return Ok((both, both));
        }
        match self.numbers()?[..] {
            [x, y] => Ok((x, y)),
            _ => self.wrong("one number, or two, [x, y]"),
        }
    }

    /// Numbers of pixels along (x, y).
    pub fn points(&self) -> Result<(usize, usize)> {
        let whole = |v: f64| (v.fract() == 0.0 && (1.0..=65536.0).contains(&v)).then_some(v as usize);
        let (x, y) = self.pair()?;
        whole(x).zip(whole(y)).map_or_else(|| self.wrong("numbers of pixels, 1 to 65536"), Ok)
    }

    pub fn flag(&self, key: &str) -> Result<Option<bool>> {
        let Some(node) = self.find(key) else { return Ok(None) };
        node.value.as_bool().map_or_else(|| node.wrong("true or false"), |flag| Ok(Some(flag)))
    }
}

/// The folder, or some of its arrays.
#[derive(Clone)]
pub struct Reference {
    folder: PathBuf,
    json: Value,
    keep: fn(&str) -> bool,
}

impl Reference {
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join("dataset.json");
        let text = std::fs::read_to_string(&path).map_err(|e| format!("reading {}: {e}", path.display()))?;
        let json: Value = serde_json::from_str(&text).map_err(|e| format!("{} is no JSON: {e}", path.display()))?;
        let reference = Self { folder: folder.to_path_buf(), json, keep: |_| true };
        let schema = reference.root().get("schema")?.text()?;
        if schema != SCHEMA {
            return Err(format!("{} is of schema `{schema}`, wanted `{SCHEMA}`", path.display()).into());
        }
        Ok(reference)
    }

    /// The same without the arrays whose paths `keep` does not want.
    #[allow(dead_code)] // by tests, which have less time
    pub fn of(&self, keep: fn(&str) -> bool) -> Self {
        Self { keep, ..self.clone() }
    }

    pub fn root(&self) -> Node<'_> {
        Node { way: "dataset.json".into(), value: &self.json }
    }

    pub fn cases(&self) -> Result<Vec<Case<'_>>> {
        self.root().get("cases")?.list()?.into_iter().map(|node| self.case(node)).collect()
    }

    fn case<'a>(&'a self, node: Node<'a>) -> Result<Case<'a>> {
        let (name, kind) = (node.get("name")?.text()?, node.get("kind")?.text()?);
        let folder = node.find("folder").map_or(Ok(name), |f| f.text())?;
        let parameters = self.root().get(name)?;
        Ok(Case { reference: self, name, kind, folder, node, parameters })
    }

    /// What `files` tells of a file, if anything.
    pub fn about(&self, path: &str) -> Option<Node<'_>> {
        self.root().find("files")?.find(path)
    }

    /// Paths of the npy files right within `folder`, those that dataset.json lists and those that lie there.
    pub fn arrays(&self, folder: &str) -> BTreeSet<String> {
        let mut paths = BTreeSet::new();
        let prefix = format!("{}/", folder.trim_end_matches('/'));
        if let Some(listed) = self.json.get("files").and_then(Value::as_object) {
            paths.extend(listed.keys().filter(|path| path.starts_with(&prefix)).cloned());
        }
        for entry in std::fs::read_dir(self.folder.join(folder)).into_iter().flatten().flatten() {
            paths.extend(entry.file_name().to_str().map(|name| format!("{prefix}{name}")));
        }
        paths.retain(|path| path.ends_with(".npy") && !path[prefix.len()..].contains('/') && (self.keep)(path));
        paths
    }

    pub fn real(&self, path: &str) -> Result<ArrayD<f64>> {
        Ok(npy::read(&self.folder.join(path))?)
    }

    pub fn complex(&self, path: &str) -> Result<ArrayD<Complex64>> {
        Ok(npy::read_complex(&self.folder.join(path))?)
    }

    pub fn atoms(&self, path: &str) -> Result<Atoms> {
        Ok(structure::read(&self.folder.join(path), None)?)
    }
}

/// One entry of `cases` and the parameters under its name.
pub struct Case<'a> {
    pub reference: &'a Reference,
    pub name: &'a str,
    pub kind: &'a str,
    pub folder: &'a str,
    pub node: Node<'a>,
    pub parameters: Node<'a>,
}

impl<'a> Case<'a> {
    /// Arrays of the folder whose names begin with `prefix`: (rest of the name without `.npy`, path).
    pub fn named(&self, prefix: &str) -> Vec<(String, String)> {
        let start = format!("{}/{prefix}", self.folder.trim_end_matches('/'));
        let rest = |path: String| Some((path.strip_prefix(&start)?.strip_suffix(".npy")?.to_string(), path));
        self.reference.arrays(self.folder).into_iter().filter_map(rest).collect()
    }
}

/// The probe of `parameters`: `energy_eV`, `semiangle_mrad`, `aberrations` (angstrom, rad), `soft_aperture` (true).
pub fn probe_of(energy_ev: f64, parameters: &Node<'_>) -> Result<Probe> {
    let mut options = ProbeOptions::new(energy_ev, parameters.get("semiangle_mrad")?.number()?);
    if let Some(aberrations) = parameters.find("aberrations") {
        for (name, value) in aberrations.members()? {
            options = options.aberration(name, value.number()?)?;
        }
    }
    if parameters.flag("soft_aperture")? == Some(false) {
        options = options.aperture(aet::optics::Aperture::Hard);
    }
    Ok(options.build()?)
}
