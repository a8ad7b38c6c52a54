//! Whether what a page says can be read in the colours that it has.

use serde_json::json;

use super::browser::Browser;

/// The relative luminance of the page's background, and the texts that stand out too little from what is behind
/// them, with their ratios: WCAG 2.2, success criterion 1.4.3 (4.5 : 1, of large text 3 : 1) and its definitions of
/// relative luminance, contrast ratio and large text (18 pt, or 14 pt and bold: a point is 4/3 px).
const LOOK: &str = r"(() => {
  const parsed = (text) => {
    const numbers = /^rgba?\((.*)\)$/.exec(text)?.[1].match(/[\d.]+/g).map(Number);
    if (!numbers) throw new Error(`a colour that this test does not know: ${text}`);
    const [red, green, blue, alpha = 1] = numbers;
    return {rgb: [red, green, blue], alpha};
  };
  const luminance = (rgb) => {
    const [red, green, blue] = rgb.map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      // Of what is drawn in SVG nothing but its fill can be seen.
      if (one instanceof SVGElement && !(one instanceof SVGSVGElement)) continue;
      const {rgb, alpha} = parsed(getComputedStyle(one).backgroundColor);
      if (alpha === 1) return rgb;
    }
    throw new Error('the page has no background');
  };
  const faint = [];
  let seen = 0;
  const judge = (element, text, style) => {
    if (!text) return;
    seen += 1;
    const background = behind(element);
    const color = parsed(element instanceof SVGElement ? style.fill : style.color);
    let alpha = color.alpha;
    for (let one = element; one; one = one.parentElement) alpha *= getComputedStyle(one).opacity;
    const mixed = color.rgb.map((value, at) => alpha * value + (1 - alpha) * background[at]);
    const [dark, light] = [luminance(mixed), luminance(background)].sort((one, two) => one - two);
    const ratio = (light + 0.05) / (dark + 0.05);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 14 * 4 / 3 && style.fontWeight >= 700);
    if (ratio < (isLarge ? 3 : 4.5)) faint.push(`${text.slice(0, 60)} (${ratio.toFixed(2)} : 1)`);
  };
  for (const element of document.body.querySelectorAll('*')) {
    if (!element.checkVisibility({visibilityProperty: true, opacityProperty: true})) continue;
    const own = [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE);
    const text = own.map((node) => node.data).join('').trim();
    judge(element, element.matches('input, select') ? element.value : text, getComputedStyle(element));
    const before = getComputedStyle(element, '::before');
    if (!['none', 'normal', '\x22\x22'].includes(before.content)) judge(element, before.content, before);
  }
  return {page: luminance(behind(document.body)), seen, faint};
})()";

/// Asserts that the page is as light or dark as it is to be, and that all of its texts can be read.
pub(super) fn is_readable(browser: &mut Browser, name: &str, scheme: &str) {
    let look = browser.value(LOOK);
    let page = look["page"].as_f64().unwrap();
    let is_right = match scheme {
        "dark" => page < 0.1,
        _ => page > 0.8,
    };
    assert!(
        is_right,
        "{name}, {scheme}: the page's background has a luminance of {page}"
    );
    assert!(look["seen"].as_u64() > Some(0), "{name}: it says something");
    assert_eq!(
        look["faint"],
        json!([]),
        "{name}, {scheme}: texts that are hard to read"
    );
}
