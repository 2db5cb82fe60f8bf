//! The pictures: a bar per client on a logarithmic scale, beside the physical limit.

use std::fmt::Write;

use crate::cases::{Case, size_name};
use crate::clients::Client;
use crate::markdown::microseconds;
use crate::results::{Results, Spread};

const WIDTH: f64 = 820.0;
/// Where the bars begin; left of it stand the names.
const LEFT: f64 = 250.0;
/// Right of the longest bar stands its number.
const RIGHT: f64 = 90.0;
const BAR: f64 = 15.0;
const STEP: f64 = 21.0;

/// Readable on light and on dark pages: the picture brings its own background for both.
const STYLE: &str = "\
text{font:12px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;fill:#1f2328}\
.title{font-size:16px;font-weight:600}.panel{font-size:13px;font-weight:600}.small{fill:#59636e;font-size:11px}\
.page{fill:#fff}.grid{stroke:#d1d9e0;stroke-width:1}.peer{fill:#8c959f}.ours{fill:#0969da}.raw{fill:#1a7f37}\
.limit{stroke:#1a7f37;stroke-width:1.5;stroke-dasharray:4 3}.range{stroke:#1f2328;stroke-width:1}\
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.small{fill:#9198a1}.page{fill:#0d1117}\
.grid{stroke:#3d444d}.peer{fill:#656c76}.ours{fill:#4493f8}.raw{fill:#3fb950}\
.limit{stroke:#3fb950}.range{stroke:#f0f6fc}}";

/// Rows of one panel.
struct Panel {
    title: String,
    bars: Vec<Bar>,
}

struct Bar {
    label: &'static str,
    class: &'static str,
    spread: Spread,
}

/// All pictures with their file names: one per mode, and an overview of the smallest bodies.
pub(crate) fn pictures(
    broker: &str,
    cases: &[Case],
    clients: &[Client],
    results: &Results,
) -> Vec<(String, String)> {
    let mut modes: Vec<&str> = cases.iter().map(|case| case.mode).collect();
    modes.dedup();
    let panel = |case: &Case, field: &str, title: String| {
        let bars: Vec<_> = results
            .ranked(&[*case], clients)
            .iter()
            .filter_map(|client| {
                let spread = results.get(*case, client)?.spread(field)?;
                Some(Bar {
                    label: client.label,
                    class: class(client),
                    spread,
                })
            })
            .collect();
        (!bars.is_empty()).then_some(Panel { title, bars })
    };
    let mut pictures = Vec::new();
    for mode in &modes {
        let of_mode = cases.iter().filter(|case| case.mode == *mode);
        let cpu: Vec<_> = of_mode
            .clone()
            .filter_map(|case| panel(case, "cpu_us_per_msg", size_name(case.size)))
            .collect();
        let title = format!("{mode}: µs of processor time per message, {broker}");
        pictures.extend(picture(&title, &cpu).map(|text| (format!("cpu-{mode}.svg"), text)));
        if Case::waits(mode) {
            let wait: Vec<_> = of_mode
                .filter_map(|case| panel(case, "p50_us", size_name(case.size)))
                .collect();
            let title = format!("{mode}: median wait in µs, {broker}");
            pictures.extend(picture(&title, &wait).map(|text| (format!("wait-{mode}.svg"), text)));
        }
    }
    let smallest = cases
        .iter()
        .filter(|case| !Case::waits(case.mode))
        .map(|case| case.size)
        .min();
    let overview: Vec<_> = cases
        .iter()
        .filter(|case| Some(case.size) == smallest && !Case::waits(case.mode))
        .filter_map(|case| panel(case, "cpu_us_per_msg", case.mode.to_owned()))
        .collect();
    let title = format!(
        "µs of processor time per message of {}, {broker}",
        size_name(smallest.unwrap_or_default())
    );
    pictures.extend(picture(&title, &overview).map(|text| ("overview.svg".to_owned(), text)));
    pictures
}

fn class(client: &Client) -> &'static str {
    if client.is_raw() {
        "raw"
    } else if client.is_ours() {
        "ours"
    } else {
        "peer"
    }
}

/// One picture of panels below one another, all with the same scale.
fn picture(title: &str, panels: &[Panel]) -> Option<String> {
    let scale = Scale::over(panels)?;
    let height = 58.0 + panels.iter().map(Panel::height).sum::<f64>();
    let mut out = String::new();
    // Writing to a string does not fail, here and below.
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\" role=\"img\" aria-label=\"{title}\">\n\
         <style>{STYLE}</style>\n\
         <rect class=\"page\" width=\"{WIDTH}\" height=\"{height}\" rx=\"6\"/>\n\
         <text class=\"title\" x=\"16\" y=\"28\">{title}</text>\n\
         <text class=\"small\" x=\"16\" y=\"46\">Shorter is better. Logarithmic scale. \
         Bars are medians, lines reach from minimum to maximum; dashed: the raw socket.</text>\n"
    );
    let mut top = 58.0;
    for panel in panels {
        panel.draw(&mut out, top, &scale);
        top += panel.height();
    }
    out.push_str("</svg>\n");
    Some(out)
}

/// Whole decades around all values.
struct Scale {
    low: i32,
    high: i32,
}

impl Scale {
    fn over(panels: &[Panel]) -> Option<Self> {
        let bars = || panels.iter().flat_map(|panel| &panel.bars);
        let least = bars()
            .map(|bar| bar.spread.min)
            .min_by(f64::total_cmp)?
            .max(1e-4);
        let most = bars()
            .map(|bar| bar.spread.max)
            .max_by(f64::total_cmp)?
            .max(least);
        let low = least.log10().floor() as i32;
        // A bar of no length would look like a missing one.
        let low = if least < 10f64.powi(low) * 1.3 {
            low - 1
        } else {
            low
        };
        Some(Self {
            low,
            high: (most.log10().ceil() as i32).max(low + 1),
        })
    }

    fn x(&self, value: f64) -> f64 {
        let position =
            (value.max(1e-9).log10() - f64::from(self.low)) / f64::from(self.high - self.low);
        LEFT + position.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }
}

impl Panel {
    fn height(&self) -> f64 {
        44.0 + STEP * self.bars.len() as f64
    }

    fn draw(&self, out: &mut String, top: f64, scale: &Scale) {
        let first = top + 24.0;
        let bottom = first + STEP * self.bars.len() as f64;
        let _ = writeln!(
            out,
            "<text class=\"panel\" x=\"16\" y=\"{}\">{}</text>",
            top + 14.0,
            self.title
        );
        for decade in scale.low..=scale.high {
            let value = 10f64.powi(decade);
            let x = scale.x(value);
            let name = if decade < 0 {
                format!("{value:.*}", decade.unsigned_abs() as usize)
            } else {
                format!("{value}")
            };
            let _ = writeln!(
                out,
                "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{first}\" y2=\"{bottom}\"/>\
                 <text class=\"small\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{name}</text>",
                bottom + 13.0
            );
        }
        for (bar, index) in self.bars.iter().zip(0u8..) {
            bar.draw(out, first + STEP * f64::from(index), scale);
        }
        if let Some(raw) = self.bars.iter().find(|bar| bar.class == "raw") {
            let x = scale.x(raw.spread.median);
            let _ = writeln!(
                out,
                "<line class=\"limit\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{first}\" y2=\"{bottom}\"/>"
            );
        }
    }
}

impl Bar {
    fn draw(&self, out: &mut String, top: f64, scale: &Scale) {
        let Self {
            label,
            class,
            spread,
        } = self;
        let (from, to) = (scale.x(spread.min), scale.x(spread.max));
        let end = scale.x(spread.median);
        let (text, middle) = (top + 15.0, top + 3.0 + BAR / 2.0);
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{text}\" text-anchor=\"end\">{label}</text>\
             <rect class=\"{class}\" x=\"{LEFT}\" y=\"{}\" width=\"{:.1}\" height=\"{BAR}\" rx=\"2\"/>\
             <line class=\"range\" x1=\"{from:.1}\" x2=\"{to:.1}\" y1=\"{middle}\" y2=\"{middle}\"/>\
             <text x=\"{:.1}\" y=\"{text}\">{}</text>",
            LEFT - 8.0,
            top + 3.0,
            (end - LEFT).max(1.0),
            to.max(end) + 6.0,
            microseconds(spread.median),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scale_has_whole_decades_and_room_for_the_shortest_bar() {
        let bar = |value| Bar {
            label: "a",
            class: "peer",
            spread: Spread {
                median: value,
                min: value,
                max: value,
            },
        };
        let panel = Panel {
            title: "16 B".to_owned(),
            bars: vec![bar(0.011), bar(50.0)],
        };
        let scale = Scale::over(&[panel]).unwrap();
        assert_eq!((scale.low, scale.high), (-3, 2));
        assert!(scale.x(0.011) > LEFT + 50.0);
        assert!(Scale::over(&[]).is_none());
    }
}
