//! The picture as PNG: the SVG, rendered.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{FontResolver, Options, Tree, fontdb};

/// Latin letters, digits and signs: machines that train have no fonts, as a rule.
const FONT: &[u8] = include_bytes!("DejaVuSans-Latin.ttf");
const FAMILY: &str = "DejaVu Sans";
/// Pixels for one of the SVG: sharp on dense screens and in print.
const SCALE: f32 = 2.0;

/// The bytes of a PNG that shows `svg`, with `mark` as its text `Software`; and the characters that no font has.
///
/// # Errors
/// What the libraries say.
pub(super) fn render(svg: &str, mark: &str) -> Result<(Vec<u8>, String), String> {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(FONT.to_vec());
    // Names of runs may be Chinese; for them, the machine's fonts are looked for.
    if !svg.is_ascii() {
        fonts.load_system_fonts();
    }
    fonts.set_sans_serif_family(FAMILY);
    let missing = Mutex::new(BTreeSet::new());
    let other_font = FontResolver::default_fallback_selector();
    let font_resolver = FontResolver {
        select_font: FontResolver::default_font_selector(),
        select_fallback: Box::new(|c, used, fonts| {
            let found = other_font(c, used, fonts);
            if found.is_none() {
                missing.lock().unwrap_or_else(PoisonError::into_inner).insert(c);
            }
            found
        }),
    };
    let font_family = FAMILY.to_owned();
    let options = Options { fontdb: Arc::new(fonts), font_family, font_resolver, ..Options::default() };
    let tree = Tree::from_str(svg, &options).map_err(|error| error.to_string())?;
    drop(options);
    let missing = missing.into_inner().unwrap_or_else(PoisonError::into_inner);
    let size = tree.size().to_int_size().scale_by(SCALE).ok_or("the picture has no size")?;
    let mut pixels = Pixmap::new(size.width(), size.height()).ok_or("the picture is too large")?;
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
    let bytes = encode(&pixels, mark).map_err(|error| error.to_string())?;
    Ok((bytes, missing.into_iter().collect()))
}

fn encode(pixels: &Pixmap, mark: &str) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, pixels.width(), pixels.height());
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.add_text_chunk("Software".to_owned(), mark.to_owned())?;
    let mut writer = encoder.write_header()?;
    // The background is opaque, so colors multiplied with their opacity are the colors.
    writer.write_image_data(pixels.data())?;
    writer.finish()?;
    Ok(bytes)
}
