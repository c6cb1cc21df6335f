//! Constants of spectrograms: windows, waves and the mel scale.

use std::f64::consts::PI;

/// A raised cosine `a - (1 - a)·cos(2πn/N)` of that length, with one period over the window if its length is even, and over
/// one element less if it is odd, as `tf.signal.hann_window` has it.
pub fn raised_cosine(a: f64, length: usize) -> Vec<f64> {
    let period = if length.is_multiple_of(2) {
        length
    } else {
        length - 1
    };
    if period == 0 {
        return vec![1.0; length];
    }
    let at = |n: usize| a - (1.0 - a) * (2.0 * PI * n as f64 / period as f64).cos();
    (0..length).map(at).collect()
}

/// The kernel `[fft, frequencies]` of one part of a Fourier transform: `wave(-2πtk/fft)` within the window, which lies in the
/// middle of a frame. No window is one of ones as long as the frame.
pub fn waves(fft: usize, window: &[f64], wave: fn(f64) -> f64) -> Vec<f32> {
    let before = (fft - window.len()) / 2;
    let weight = |t: usize| match t.checked_sub(before) {
        _ if window.is_empty() => 1.0,
        Some(t) => window.get(t).copied().unwrap_or(0.0),
        None => 0.0,
    };
    // Angles are exact fractions of a turn, of which there are as many as elements.
    let table: Vec<f64> = (0..fft)
        .map(|i| wave(-2.0 * PI * i as f64 / fft as f64))
        .collect();
    let element = |t: usize, k: usize| (weight(t) * table[t * k % fft]) as f32;
    (0..fft)
        .flat_map(|t| (0..=fft / 2).map(move |k| (t, k)))
        .map(|(t, k)| element(t, k))
        .collect()
}

/// Hertz on the mel scale of HTK.
fn hertz_to_mel(hertz: f64) -> f64 {
    1127.0 * (hertz / 700.0).ln_1p()
}

/// `linear_to_mel_weight_matrix` of `keras.layers.MelSpectrogram`: `[frequencies, bins]`, triangles of equal width on the mel
/// scale between two frequencies in hertz; the first frequency is in none.
pub fn mel_matrix(frequencies: usize, bins: usize, rate: f64, [from, to]: [f64; 2]) -> Vec<f32> {
    let [first, last] = [from, to].map(hertz_to_mel);
    let edge = |i: usize| first + (last - first) * i as f64 / (bins + 1) as f64;
    let mut matrix = vec![0.0; bins];
    for k in 1..frequencies {
        let mel = hertz_to_mel(rate / 2.0 * k as f64 / (frequencies - 1) as f64);
        matrix.extend((0..bins).map(|bin| {
            let [lower, centre, upper] = [edge(bin), edge(bin + 1), edge(bin + 2)];
            let slopes = [(mel - lower) / (centre - lower), (upper - mel) / (upper - centre)];
            slopes[0].min(slopes[1]).max(0.0) as f32
        }));
    }
    matrix
}
