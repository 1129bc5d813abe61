//! A picture that is complete or not there.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;
use std::error::Error;
use std::path::Path;

pub type Fallible<T> = Result<T, Box<dyn Error>>;
pub type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// Lets `draw` fill a picture of `size` pixels, and puts it to `path` when it is complete.
pub fn picture(path: &Path, size: (u32, u32), draw: impl FnOnce(&Area<'_>) -> Fallible<()>) -> Fallible<()> {
    // An embedded font: fresh machines have none.
    let _ = register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular());
    let name = path.file_name().ok_or("a picture needs the name of a file")?.to_string_lossy();
    let unfinished = path.with_file_name(format!(".unfinished-{name}"));
    let drawn = (|| {
        let area = BitMapBackend::new(&unfinished, size).into_drawing_area();
        area.fill(&WHITE)?;
        draw(&area)?;
        area.present()?;
        Ok(std::fs::rename(&unfinished, path)?)
    })();
    if drawn.is_err() {
        let _ = std::fs::remove_file(&unfinished);
    }
    drawn
}
