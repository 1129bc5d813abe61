//! Tables as text: one line per row, columns between commas, under a line of names with units in brackets; single values
//! stand before it in lines `# name [unit] = value`. Numbers read back to the last bit.

use super::atomic;
use super::file_error;
use crate::error::Result;
use crate::table::{Quantity, Table};
use std::path::Path;

/// Writes a table. The file appears when it is complete, an older one of that name is replaced.
///
/// # Errors
/// `File` where it cannot be written.
pub fn write(table: &Table, path: &Path) -> Result<()> {
    atomic::write(path, |out| {
        let mut text = String::new();
        for value in table.values() {
            text.push_str(&format!("# {} = {:?}\n", title(value), value.content));
        }
        let titles: Vec<String> = table.columns().iter().map(title).collect();
        text.push_str(&titles.join(","));
        text.push('\n');
        for row in 0..table.rows() {
            let cells: Vec<String> = table.columns().iter().map(|c| format!("{:?}", c.content[row])).collect();
            text.push_str(&cells.join(","));
            text.push('\n');
        }
        out.write_all(text.as_bytes()).map_err(file_error("writing", path))
    })
}

fn title<T>(quantity: &Quantity<T>) -> String {
    match quantity.unit.is_empty() {
        true => quantity.name.clone(),
        false => format!("{} [{}]", quantity.name, quantity.unit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_back_to_the_last_bit() {
        let values = vec![0.1 + 0.2, -1e-300, f64::NAN];
        let table = Table::new(3)
            .with_column("x", "A", values.clone())
            .and_then(|t| t.with_column("flag", "", vec![0.0, 1.0, 2.0]))
            .and_then(|t| t.with_value("threshold", "", 1.0 / 3.0))
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        write(&table, &path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..2], ["# threshold = 0.3333333333333333", "x [A],flag"]);
        for (line, value) in lines[2..].iter().zip(values) {
            let read: f64 = line.split(',').next().unwrap().parse().unwrap();
            assert!(read.to_bits() == value.to_bits() || read.is_nan() && value.is_nan());
        }
        assert_eq!(write(&table, &folder.path().join("no").join("table.csv")).unwrap_err().code(), 400);
    }
}
