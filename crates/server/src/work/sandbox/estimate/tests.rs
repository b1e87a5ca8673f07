//! Tests of the estimates, with invented times.

use pixaven_imaging::plan::{Filter, Gravity, Kernel, Light, Output, ResizeMode};
use pixaven_imaging::{Channels, Image, encode};

use super::*;

const MAX: Duration = Duration::from_secs(30);

fn image(width: u32, height: u32, format: Format) -> WorkerInput {
    let image = Image::new(width, height, Channels::Rgb, vec![90; (width * height * 3) as usize]);
    WorkerInput { image: encode(image, format, &Output::default()).unwrap().into(), watermark: None }
}

fn to(format: Format) -> Plan {
    let output = Output { format: TargetFormat::Format(format), ..Output::default() };
    Plan { output, ..Plan::default() }
}

fn work(input: &WorkerInput, plan: &Plan) -> Work {
    Work::of(input, plan, &Limits::default())
}

fn spent(cpu_s: f64) -> Spent {
    let cpu = Duration::from_secs_f64(cpu_s);
    Spent { cpu, wall: cpu }
}

#[test]
fn the_expected_processing_time_of_a_small_file_with_many_pixels_exceeds_that_of_a_larger_file() {
    let estimator = Estimator::new(MAX);
    let bomb = image(6_000, 6_000, Format::Png);
    let photo = WorkerInput { image: vec![7; bomb.image.len() * 5].into(), watermark: None };
    let [bomb, photo] = [&bomb, &photo].map(|input| estimator.of_work(&work(input, &to(Format::Png))));
    assert!(bomb > Duration::from_secs(1) && photo < bomb / 2, "{bomb:?} {photo:?}");
}

#[test]
fn the_expected_processing_time_of_an_image_depends_on_the_output_format_and_on_the_operations() {
    let (estimator, input) = (Estimator::new(MAX), image(1_000, 1_000, Format::Jpeg));
    let expected = |plan: &Plan| estimator.of_work(&work(&input, plan));
    assert!(expected(&to(Format::Avif)) > 5 * expected(&to(Format::Jpeg)));
    let filtered = Plan { filter: Some(Filter::default()), ..to(Format::Jpeg) };
    assert!(expected(&filtered) > expected(&to(Format::Jpeg)));
}

#[test]
fn the_expected_processing_time_of_a_drawing_grows_with_the_size_of_the_output() {
    let svg = br#"<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"/>"#;
    let input = WorkerInput { image: svg.to_vec().into(), watermark: None };
    let expected = |width: Option<u32>, format: Format| {
        let resize = width.map(|width| Resize {
            mode: ResizeMode::Landscape,
            width: Some(width),
            height: None,
            gravity: Gravity::default(),
            upscale: true,
            background: None,
            kernel: Kernel::default(),
            light: Light::default(),
        });
        Estimator::new(MAX).of_work(&work(&input, &Plan { resize, ..to(format) }))
    };
    let light = Duration::from_millis(100);
    assert!(expected(None, Format::Png) < light, "a drawing without a requested size is light");
    assert!(expected(Some(100), Format::Png) < expected(None, Format::Png));
    assert!(expected(Some(4_000), Format::Png) > Duration::from_secs(1));
    assert!(expected(Some(4_000), Format::Avif) > expected(Some(4_000), Format::Png));
    assert!(expected(Some(20_001), Format::Png) < light, "a size above the limit is refused at once");
    let text = WorkerInput { image: b"not a picture".to_vec().into(), watermark: None };
    let large = Plan { resize: None, ..to(Format::Avif) };
    assert!(Estimator::new(MAX).of_work(&work(&text, &large)) < Duration::from_millis(5));
}

#[test]
fn the_expected_processing_time_is_a_few_milliseconds_if_the_image_exceeds_the_pixel_limit() {
    let input = image(3_000, 2_000, Format::Png);
    let limits = Limits { pixels: 1_000_000, ..Limits::default() };
    let refused = Work::of(&input, &to(Format::Avif), &limits);
    assert!(Estimator::new(MAX).of_work(&refused) < Duration::from_millis(5));
}

#[test]
fn the_expected_processing_time_follows_the_measured_times_of_images_of_the_same_format_and_size() {
    let mut estimator = Estimator::new(MAX);
    let input = image(1_000, 1_000, Format::Jpeg);
    let (jpeg, webp) = (work(&input, &to(Format::Jpeg)), work(&input, &to(Format::Webp)));
    let webp_before = estimator.of_work(&webp);
    for _ in 0..30 {
        estimator.learn(&jpeg, spent(0.5));
    }
    let expected_s = estimator.of_work(&jpeg).as_secs_f64();
    assert!((0.45..0.55).contains(&expected_s), "{expected_s}");
    assert_eq!(estimator.of_work(&webp), webp_before, "other formats are not affected");
    let large = work(&image(5_000, 5_000, Format::Jpeg), &to(Format::Jpeg));
    assert_eq!(estimator.of_work(&large), Duration::from_secs_f64(large.model_s), "nor are other sizes");
}

#[test]
fn a_few_hostile_images_hardly_change_the_processing_time_that_is_expected_from_the_file_length() {
    let mut estimator = Estimator::new(MAX);
    let photo = WorkerInput { image: vec![7; 700_000].into(), watermark: None };
    let bomb = WorkerInput { image: vec![7; 1_000].into(), watermark: None };
    for n in 0..200 {
        estimator.learn(&work(&photo, &Plan::default()), spent(0.07));
        if n % 5 == 0 {
            estimator.learn(&work(&bomb, &Plan::default()), spent(20.0));
        }
    }
    let expected_s = estimator.of_length(Some(700_000)).as_secs_f64();
    assert!((0.03..0.14).contains(&expected_s), "{expected_s}");
    let typical_s = estimator.of_length(None).as_secs_f64();
    assert!((0.03..0.14).contains(&typical_s), "{typical_s}");
}

#[test]
fn the_expected_processing_time_of_an_image_is_never_longer_than_the_time_limit() {
    let estimator = Estimator::new(MAX);
    assert_eq!(estimator.of_length(Some(u64::MAX)), MAX);
    assert_eq!(estimator.of_work(&work(&image(9_000, 9_000, Format::Png), &to(Format::Avif))), MAX);
}

#[test]
fn on_busy_processors_the_expected_elapsed_time_is_longer_than_the_expected_cpu_time() {
    let mut estimator = Estimator::new(MAX);
    let work = work(&image(10, 10, Format::Png), &to(Format::Png));
    assert_eq!(estimator.elapsed(Duration::from_secs(2)), Duration::from_secs(2));
    for _ in 0..50 {
        estimator.learn(&work, Spent { cpu: Duration::from_millis(50), wall: Duration::from_millis(200) });
    }
    let elapsed_s = estimator.elapsed(Duration::from_secs(2)).as_secs_f64();
    assert!((7.5..8.1).contains(&elapsed_s), "{elapsed_s}");
}
