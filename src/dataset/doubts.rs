//! Doubts about images that are taken in: what can be, but is rarely meant.

use super::image::Image;
use super::version::Tilt;
use std::sync::Arc;

/// An image is suspected of saturation where this part of its used pixels, and so many, have its largest value.
const SATURATED: (f64, usize) = (1e-3, 16);

/// A text where one of the images `new`, rising numbers, has the pixels of another one; blank ones do not count.
pub(super) fn of_twins(images: &[Arc<Image>], new: &[usize]) -> Option<String> {
    let same = |a: &Image, b: &Image| {
        // most differ in their middle, many begin with the same vacuum
        let middle = a.pixels.len() / 2;
        a.pixels[middle..] == b.pixels[middle..] && a.pixels == b.pixels
    };
    let blank = |image: &Image| image.pixels.iter().all(|v| *v == image.pixels[0]);
    let twin = |i: &usize| {
        let others = (0..images.len()).filter(|j| j < i || new.binary_search(j).is_err());
        let twin = others.filter(|j| j != i).find(|j| !images[*j].excluded && same(&images[*i], &images[*j]));
        twin.map(|j| (*i, j))
    };
    let twins: Vec<(usize, usize)> =
        new.iter().filter(|i| !images[**i].excluded).filter_map(twin).filter(|(i, _)| !blank(&images[*i])).collect();
    let (image, other) = twins.first()?;
    let more = match twins.len() - 1 {
        0 => String::new(),
        more => format!(", and {more} more images are equal to others"),
    };
    Some(format!("image {image} is equal to image {other}, pixel by pixel{more}; was one taken in twice?"))
}

/// A text where many pixels have the largest value of an image: more than have the next one, which noise would not do.
pub(super) fn of_saturation(images: &[Arc<Image>], image: usize) -> Option<String> {
    let of = &images[image];
    let (mut largest, mut next) = ((f32::NEG_INFINITY, 0usize), (f32::NEG_INFINITY, 0usize));
    for value in (0..of.pixels.len()).filter(|i| of.uses(*i)).map(|i| of.pixels[i]) {
        if value > largest.0 {
            (next, largest) = (largest, (value, 1));
        } else if value == largest.0 {
            largest.1 += 1;
        } else if value > next.0 {
            next = (value, 1);
        } else if value == next.0 {
            next.1 += 1;
        }
    }
    let (part, least) = SATURATED;
    let used = of.used_pixels();
    let many = largest.1 >= least && largest.1 as f64 >= part * used as f64;
    (many && next.1 > 0 && largest.1 > next.1).then(|| {
        let (value, count) = largest;
        format!("image {image} may be saturated: {count} of its {used} pixels have its largest value, {value}")
    })
}

/// A text where one of the tilts `new` has its foci in another order of sections than an earlier tilt.
pub(super) fn of_sections(images: &[Arc<Image>], tilts: &[Tilt], new: &[usize]) -> Option<String> {
    let foci = |tilt: usize| {
        let mut foci: Vec<(usize, f64)> =
            tilts[tilt].images.iter().map(|i| (images[*i].section, images[*i].defocus)).collect();
        foci.sort_by_key(|focus| focus.0);
        foci
    };
    let steps = |tilt: usize| {
        let foci = foci(tilt);
        let step = |pair: &[(usize, f64)]| ([pair[0].0, pair[1].0], [pair[0].1, pair[1].1]);
        foci.windows(2).filter(|pair| pair[0].0 != pair[1].0).map(step).collect::<Vec<_>>()
    };
    // of two sections, the first tilt that tells which is higher
    let mut known = std::collections::BTreeMap::<[usize; 2], (usize, [f64; 2])>::new();
    let mut doubt = None;
    for tilt in 0..tilts.len() {
        for (sections, here) in steps(tilt).into_iter().filter(|(_, foci)| foci[0] != foci[1]) {
            let (first, there) = *known.entry(sections).or_insert((tilt, here));
            let turned = (here[1] > here[0]) != (there[1] > there[0]);
            if turned && (new.contains(&tilt) || new.contains(&first)) && doubt.is_none() {
                doubt = Some(format!(
                    "tilt {tilt} has its sections in another order than tilt {first}: the defocus of sections {} and {} is \
                     {} and {} A there, {} and {} A here",
                    sections[0], sections[1], there[0], there[1], here[0], here[1]
                ));
            }
        }
    }
    doubt
}

#[cfg(test)]
mod tests {
    use super::super::{Frames, Rotations, SeriesOptions, TiltAxis, TiltSeries};
    use ndarray::Array3;

    const EDGE: usize = 30;

    fn options() -> SeriesOptions {
        SeriesOptions { pixel_size: 0.4, ..Default::default() }
    }

    /// Tilts of `sections` images each.
    fn frames(tilts: usize, sections: usize) -> Frames {
        let degrees: Vec<f64> = (0..tilts * sections).map(|i| 10.0 * (i / sections) as f64).collect();
        let mut frames = Frames::new(degrees.len());
        frames.rotations = Some(Rotations::SingleAxis { axis: TiltAxis::Y, degrees });
        frames.tilt = Some((0..(tilts * sections) as i64).map(|i| i / sections as i64).collect());
        frames
    }

    /// All pixels differ.
    fn images(n: usize) -> Array3<f32> {
        Array3::from_shape_fn((n, EDGE, EDGE), |(i, r, c)| (i * EDGE * EDGE + r * EDGE + c) as f32)
    }

    fn doubts(images: &Array3<f32>, frames: &Frames) -> Vec<String> {
        TiltSeries::new(options(), images.view(), frames).unwrap().warnings()
    }

    #[test]
    fn images_that_are_equal_are_named() {
        let mut images = images(4);
        assert!(doubts(&images, &frames(4, 1)).is_empty());
        let first = images.index_axis(ndarray::Axis(0), 1).to_owned();
        images.index_axis_mut(ndarray::Axis(0), 3).assign(&first);
        let told = doubts(&images, &frames(4, 1));
        assert!(told.len() == 1 && told[0].starts_with("image 3 is equal to image 1, pixel by pixel;"), "{told:?}");
        let mut excluded = frames(4, 1);
        excluded.excluded = Some(vec![false, false, false, true]);
        assert!(doubts(&images, &excluded).is_empty());
        let all = Array3::from_shape_fn((4, EDGE, EDGE), |(_, r, c)| (r * EDGE + c) as f32);
        let told = doubts(&all, &frames(4, 1));
        assert!(told.len() == 1 && told[0].contains("and 2 more images"), "{told:?}");
        assert!(doubts(&Array3::zeros((4, EDGE, EDGE)), &frames(4, 1)).is_empty(), "blank images are not data twice");
    }

    #[test]
    fn later_images_are_compared_with_those_before() {
        let images = images(3);
        let part = |i: usize| images.slice(ndarray::s![i..i + 1, .., ..]);
        let series = TiltSeries::new(options(), images.view(), &frames(3, 1)).unwrap();
        series.append_tilt(part(2), &frames(1, 1)).unwrap();
        assert!(series.warnings()[0].starts_with("image 3 is equal to image 2"), "{:?}", series.warnings());
        series.replace_tilt(0, part(1), &frames(1, 1)).unwrap();
        assert!(series.warnings()[1].starts_with("image 0 is equal to image 1"), "{:?}", series.warnings());
    }

    #[test]
    fn pixels_at_the_largest_value_are_saturated() {
        let mut images = images(2);
        images.index_axis_mut(ndarray::Axis(0), 1).mapv_inplace(|v| v.min(1780.0));
        let told = doubts(&images, &frames(2, 1));
        assert_eq!(told, ["image 1 may be saturated: 20 of its 900 pixels have its largest value, 1780"]);
        // few counts, many of which are equal, but fewer the higher
        let counts = Array3::from_shape_fn((2, EDGE, EDGE), |(i, r, c)| ((i + r * EDGE + c) % 40 / 17) as f32);
        assert!(doubts(&counts, &frames(2, 1)).is_empty());
    }

    #[test]
    fn foci_in_another_order_are_named_with_their_tilts() {
        let mut frames = frames(3, 2);
        frames.defocus = Some(vec![-30.0, 30.0, -29.0, 31.0, -30.0, 30.0]);
        assert!(doubts(&images(6), &frames).is_empty());
        frames.defocus = Some(vec![-30.0, 30.0, -29.0, 31.0, 30.0, -30.0]);
        let told = doubts(&images(6), &frames);
        assert!(
            told.len() == 1 && told[0].starts_with("tilt 2 has its sections in another order than tilt 0"),
            "{told:?}"
        );
        assert!(told[0].contains("-30 and 30 A there, 30 and -30 A here"), "{told:?}");
        // labels say which is which
        frames.section = Some(vec![0, 1, 0, 1, 1, 0]);
        assert!(doubts(&images(6), &frames).is_empty());
    }
}
