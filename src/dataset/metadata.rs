//! What else is known of a data set: an ordered map of texts that travels through to every output.

/// Value and unit of one key.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The value as text.
    pub value: String,
    /// Its unit; empty where it has none.
    #[serde(default)]
    pub unit: String,
}

/// Ordered map: key -> value and unit, all UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata {
    entries: Vec<(String, Entry)>,
}

impl Metadata {
    /// Sets a key, in its old place where it exists, else at the end.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>, unit: impl Into<String>) {
        let (key, entry) = (key.into(), Entry { value: value.into(), unit: unit.into() });
        match self.entries.iter_mut().find(|(k, _)| *k == key) {
            Some((_, old)) => *old = entry,
            None => self.entries.push((key, entry)),
        }
    }

    /// Value and unit of a key.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|(k, _)| k == key).map(|(_, entry)| entry)
    }

    /// Key and entry at `index`, in the order of setting.
    pub fn at(&self, index: usize) -> Option<(&str, &Entry)> {
        self.entries.get(index).map(|(k, e)| (k.as_str(), e))
    }

    /// All keys and entries, in the order of setting.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(k, e)| (k.as_str(), e))
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_their_order() {
        let mut m = Metadata::default();
        m.set("sample", "größe", "");
        m.set("dose", "16000", "e/A^2");
        m.set("sample", "other", "");
        assert_eq!(m.iter().map(|(k, _)| k).collect::<Vec<_>>(), ["sample", "dose"]);
        assert_eq!(m.get("sample").map(|e| e.value.as_str()), Some("other"));
        assert_eq!(m.at(1).map(|(_, e)| e.unit.as_str()), Some("e/A^2"));
        assert!(m.get("none").is_none() && m.at(2).is_none() && m.len() == 2 && !m.is_empty());
    }
}
