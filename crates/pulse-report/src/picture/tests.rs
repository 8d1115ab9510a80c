//! What every picture promises.

use pulse_model::{Change, Effect, Measured, MomentKind, TimePoint, Unit};

use tiny_skia::PremultipliedColorU8;

use super::*;
use crate::{canonical, canonical_monitor, canonical_suite, readers};

/// A run with everything that a picture can show, with a name that would be markup.
fn run() -> Summary {
    let mut summary = canonical::full();
    summary.run.name = "</text><script>alert(1)</script>\u{0}]]>&amp;<!--".into();
    let moment = |second: u64| Moment {
        at: Nanos::from_secs(second),
        kind: MomentKind::Breach,
        message: format!("target missed: p95 < {second}ms"),
    };
    summary.moments = (20..25).map(moment).collect();
    summary
}

fn changed() -> Summary {
    let mut summary = run();
    let measured = |value: f64| Measured { value, lo: value * 0.9, hi: value * 1.1, samples: 100 };
    summary.changes = vec![Change {
        subject: "p95".into(),
        unit: Unit::Nanoseconds,
        before: measured(1e7),
        after: measured(1.3e7),
        ratio: measured(1.3),
        p_value: 0.001,
        effect: Effect::Regression,
        negligible: false,
    }];
    summary
}

fn svg(summary: &Summary) -> String {
    canonical::rendered(&Svg, summary)
}

fn png(summary: &Summary) -> Vec<u8> {
    let mut bytes = Vec::new();
    Png.render(summary, &mut bytes).unwrap();
    bytes
}

/// All text of a picture, one piece a line.
fn texts(svg: &str) -> String {
    let pieces = svg.split("<text ").skip(1).filter_map(|rest| rest.split_once(">\n")?.1.split_once('\n'));
    pieces.map(|(text, _)| text.to_owned() + "\n").collect()
}

#[test]
fn the_run_is_told_in_words_and_charts() {
    insta::assert_snapshot!(texts(&svg(&run())));
}

#[test]
fn a_suite_is_told_by_its_cases() {
    insta::assert_snapshot!(texts(&svg(&canonical_suite::full())));
}

#[test]
fn a_comparison_shows_what_changed() {
    let text = texts(&svg(&changed()));
    assert!(text.contains("Change against the baseline") && text.contains("regression\n"), "{text}");
    assert!(!text.contains("Distribution"), "{text}");
    let plain = texts(&svg(&run()));
    assert!(plain.contains("Distribution") && !plain.contains("Change against"), "{plain}");
}

#[test]
fn names_stay_text() {
    for summary in [run(), changed(), canonical_suite::full(), canonical_monitor::full()] {
        let svg = svg(&summary);
        let known = ["svg", "title", "rect", "text", "line", "polyline", "polygon", "circle"];
        for tag in svg.split('<').skip(1) {
            let name = tag.trim_start_matches('/').split([' ', '>']).next().unwrap();
            assert!(known.contains(&name), "<{name}");
        }
        assert!(!svg.chars().any(|c| c.is_control() && c != '\n'), "XML forbids control characters");
        assert!(!svg.contains("href") && !svg.contains("onload"), "{svg}");
        readers::xml(&svg);
    }
    assert!(svg(&run()).contains("<title>Load test: &lt;/text&gt;&lt;script&gt;"));
}

#[test]
fn nothing_measured_is_said() {
    for summary in [canonical::empty(), canonical_suite::empty(), Summary::default()] {
        assert!(texts(&svg(&summary)).contains("no data\n"), "{summary:?}");
        assert!(png(&summary).starts_with(b"\x89PNG"));
    }
    let timeline = vec![TimePoint::default(), TimePoint { worker_cpu: f64::NAN, ..TimePoint::default() }];
    let odd = Summary { timeline, ..Summary::default() };
    readers::xml(&svg(&odd));
}

#[test]
fn a_picture_is_no_larger_than_a_page_can_take() {
    let mut summary = run();
    let point = summary.timeline[0].clone();
    let second = |at: u64| TimePoint {
        from: Nanos::from_secs(at),
        to: Nanos::from_secs(at + 1),
        requests: 1 + at % 100,
        ..point.clone()
    };
    summary.timeline = (0..4_000).map(second).collect();
    summary.run.name = "name ".repeat(10_000);
    let size = svg(&summary).len();
    assert!(size < 200_000, "{size} bytes");
}

#[test]
fn the_same_summary_gives_the_same_pixels_with_letters_in_them() {
    let bytes = png(&run());
    assert!(bytes == png(&run()), "the same summary gives the same bytes");
    let picture = Pixmap::decode_png(&bytes).unwrap();
    assert_eq!((picture.width(), picture.height()), SIZE);
    assert!(picture.pixels().iter().all(PremultipliedColorU8::is_opaque), "it has a background of its own");
    // The title lies at the upper left: a picture without letters is blank there.
    let is_dark = |x: u32, y: u32| picture.pixel(x, y).is_some_and(|pixel| pixel.green() < 100);
    let ink = (14..300).flat_map(|x| (14..40).map(move |y| (x, y))).filter(|&(x, y)| is_dark(x, y)).count();
    assert!((200..4_000).contains(&ink), "{ink} dark pixels where the title is");
    let mut renamed = run();
    renamed.run.name = "another".into();
    assert!(bytes != png(&renamed), "another name is another picture");
}
