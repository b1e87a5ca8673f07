//! Measures the decoder. `decode FILE... [--eighths N] [--times N]` prints the mean decoding time of each
//! file in milliseconds.

use std::time::Instant;

use pixaven_jpeg::{Colour, Decoder, Scale};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut files, mut eighths, mut times) = (Vec::new(), 8, 10);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number =
            || arguments.next().ok_or("a number is missing")?.parse().map_err(|_| "not a number");
        match &*argument {
            "--eighths" => eighths = number()?,
            "--times" => times = number()?,
            _ => files.push(argument),
        }
    }
    let scale = *Scale::ALL.iter().find(|scale| scale.eighths() == eighths).ok_or("no such scale")?;
    for file in files {
        let data = std::fs::read(&file)?;
        let frame = Decoder::new(&data)?.frame().clone();
        let (width, height) = scale.of(frame.width, frame.height);
        let mut pixels = vec![0; width as usize * height as usize * frame.components.len()];
        let colour = if frame.components.len() == 3 { Colour::YCbCr } else { Colour::Stored };
        let start = Instant::now();
        for _ in 0..times {
            Decoder::new(&data)?.decode(scale, colour, 100, &mut pixels)?;
        }
        let ms = start.elapsed().as_secs_f64() * 1e3 / times as f64;
        println!("{ms:8.2} ms  {width}x{height}  {file}");
    }
    Ok(())
}
