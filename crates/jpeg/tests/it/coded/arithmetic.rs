//! Encodes with arithmetic codes (T.81 D.1, F.1.4 and G.1.3).

use super::estimates::State;
use super::{Picture, push_scan_header, push_stuffed};

/// The conditioning parameters of the DC table 0 (L and U) and of the AC table 0 (Kx).
#[derive(Clone, Copy)]
pub(crate) struct Conditioning {
    pub(crate) low: u8,
    pub(crate) high: u8,
    pub(crate) last_low: usize,
}

/// The encoder of one restart interval.
struct Interval {
    conditioning: Conditioning,
    code: u64,
    interval: u32,
    n_shifts: u32,
    bytes: Vec<u8>,
    dc: [State; 49],
    ac: [State; 245],
    contexts: [usize; 3],
    predicted: [i32; 3],
}

impl Interval {
    fn new(conditioning: Conditioning) -> Self {
        Self {
            conditioning,
            code: 0,
            interval: 0x1_0000,
            n_shifts: 11,
            bytes: Vec::new(),
            dc: [State::default(); 49],
            ac: [State::default(); 245],
            contexts: [0; 3],
            predicted: [0; 3],
        }
    }

    fn encode(&mut self, state: State, symbol: bool) -> State {
        let (mut state, estimate) = (state, state.estimate());
        let is_less_probable = symbol != state.more_probable();
        self.interval -= estimate.probability;
        if !is_less_probable && self.interval >= 0x8000 {
            return state;
        }
        if is_less_probable == (self.interval >= estimate.probability) {
            self.code += u64::from(self.interval);
            self.interval = estimate.probability;
        }
        state.adapt(estimate, is_less_probable);
        while self.interval < 0x8000 {
            self.interval <<= 1;
            self.code <<= 1;
            self.n_shifts -= 1;
            if self.n_shifts == 0 {
                self.push_byte();
                self.n_shifts = 8;
            }
        }
        state
    }

    /// Moves the highest byte of the code register to the output, and adds a carry to the bytes before.
    fn push_byte(&mut self) {
        let byte = self.code >> 19;
        if byte > 0xff {
            for before in self.bytes.iter_mut().rev() {
                *before = before.wrapping_add(1);
                if *before != 0 {
                    break;
                }
            }
        }
        self.bytes.push(byte as u8);
        self.code &= 0x7_ffff;
    }

    /// Returns the bytes without the zeros at their end.
    fn finish(mut self) -> Vec<u8> {
        let top = (self.code + u64::from(self.interval) - 1) & !0xffff;
        self.code = if top < self.code { top + 0x8000 } else { top };
        for n in [self.n_shifts, 8] {
            self.code <<= n;
            self.push_byte();
        }
        let n = self.bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        self.bytes.truncate(n);
        self.bytes
    }

    fn dc_symbol(&mut self, at: usize, symbol: bool) {
        self.dc[at] = self.encode(self.dc[at], symbol);
    }

    fn ac_symbol(&mut self, at: usize, symbol: bool) {
        self.ac[at] = self.encode(self.ac[at], symbol);
    }

    /// Encodes `value`, whose category is at least `category`, in contexts from `at` on.
    fn magnitude(
        &mut self,
        symbol: fn(&mut Self, usize, bool),
        mut at: usize,
        value: i32,
        first: i32,
    ) -> i32 {
        let mut category = first;
        while 2 * category <= value {
            symbol(self, at, true);
            (category, at) = (2 * category, at + 1);
        }
        symbol(self, at, false);
        let mut bit = category >> 1;
        while bit != 0 {
            symbol(self, at + 14, value & bit != 0);
            bit >>= 1;
        }
        category
    }

    fn dc(&mut self, component: usize, value: i32) {
        let difference = value - self.predicted[component];
        self.predicted[component] = value;
        let context = self.contexts[component];
        self.dc_symbol(context, difference != 0);
        self.contexts[component] = 0;
        if difference == 0 {
            return;
        }
        let negative = usize::from(difference < 0);
        self.dc_symbol(context + 1, difference < 0);
        let rest = difference.abs() - 1;
        self.dc_symbol(context + 2 + negative, rest > 0);
        let category = if rest > 0 { self.magnitude(Self::dc_symbol, 20, rest, 1) } else { 0 };
        let Conditioning { low, high, .. } = self.conditioning;
        self.contexts[component] = match category {
            _ if category < 1 << low >> 1 => 0,
            _ if category > 1 << high >> 1 => 12 + 4 * negative,
            _ => 4 + 4 * negative,
        };
    }

    fn ac_value(&mut self, k: usize, value: i32) {
        self.encode(State::FIXED, value < 0);
        let magnitude = value.abs();
        self.ac_symbol(3 * k - 1, magnitude > 1);
        if magnitude > 1 {
            self.ac_symbol(3 * k - 1, magnitude > 2);
        }
        if magnitude > 2 {
            let at = if k > self.conditioning.last_low { 217 } else { 189 };
            self.magnitude(Self::ac_symbol, at, magnitude - 1, 2);
        }
    }

    /// Encodes the first scan of the coefficients 1 to 63.
    fn ac_first(&mut self, coefs: &[i32; 64]) {
        let last = (1..64).rev().find(|&k| coefs[k] != 0).unwrap_or(0);
        let mut k = 1;
        while k <= last {
            self.ac_symbol(3 * k - 3, false);
            while coefs[k] == 0 {
                self.ac_symbol(3 * k - 2, false);
                k += 1;
            }
            self.ac_symbol(3 * k - 2, true);
            self.ac_value(k, coefs[k]);
            k += 1;
        }
        if k < 64 {
            self.ac_symbol(3 * k - 3, true);
        }
    }

    /// Encodes the lowest bit of the coefficients 1 to 63.
    fn ac_refine(&mut self, coefs: &[i32; 64]) {
        let last = (1..64).rev().find(|&k| coefs[k] != 0).unwrap_or(0);
        let last_before = (1..64).rev().find(|&k| coefs[k] / 2 != 0).unwrap_or(0);
        let mut k = 1;
        while k <= last {
            if k > last_before {
                self.ac_symbol(3 * k - 3, false);
            }
            while coefs[k] == 0 {
                self.ac_symbol(3 * k - 2, false);
                k += 1;
            }
            if coefs[k] / 2 != 0 {
                self.ac_symbol(3 * k - 1, coefs[k] & 1 != 0);
            } else {
                self.ac_symbol(3 * k - 2, true);
                self.encode(State::FIXED, coefs[k] < 0);
            }
            k += 1;
        }
        if k < 64 && k > last_before {
            self.ac_symbol(3 * k - 3, true);
        }
    }
}

impl Picture {
    fn push_arithmetic_scan(
        &self,
        file: &mut Vec<u8>,
        conditioning: Conditioning,
        mcus: &[Vec<(usize, usize, usize)>],
        mut encode: impl FnMut(&mut Interval, usize, [i32; 64]),
    ) {
        let n = if self.restart_interval == 0 { mcus.len() } else { self.restart_interval };
        for (i, mcus) in mcus.chunks(n).enumerate() {
            if i > 0 {
                file.extend([0xff, 0xd0 + (i as u8 - 1) % 8]);
            }
            let mut interval = Interval::new(conditioning);
            for &(component, x, y) in mcus.iter().flatten() {
                encode(&mut interval, component, self.planes[component].coefficients(x, y, self.precision));
            }
            push_stuffed(file, &interval.finish());
        }
    }

    fn arithmetic_headers(&self, marker: u8, Conditioning { low, high, last_low }: Conditioning) -> Vec<u8> {
        let mut file = self.headers(marker);
        file.extend([0xff, 0xcc, 0, 6, 0x00, high << 4 | low, 0x10, last_low as u8]);
        file
    }
}

/// Encodes an image with sequential arithmetic coding (SOF9).
pub(crate) fn sequential(picture: &Picture, conditioning: Conditioning) -> Vec<u8> {
    let mut file = picture.arithmetic_headers(0xc9, conditioning);
    let components: Vec<usize> = (0..picture.planes.len()).collect();
    push_scan_header(&mut file, &components, [0, 63, 0]);
    let mcus = picture.interleaved(8);
    picture.push_arithmetic_scan(&mut file, conditioning, &mcus, |interval, component, coefs| {
        interval.dc(component, coefs[0]);
        interval.ac_first(&coefs);
    });
    file.extend([0xff, 0xd9]);
    file
}

/// Encodes an image with progressive arithmetic coding (SOF10). The lowest bit of all coefficients is in
/// refinement scans.
pub(crate) fn progressive(picture: &Picture, conditioning: Conditioning) -> Vec<u8> {
    let mut file = picture.arithmetic_headers(0xca, conditioning);
    let components: Vec<usize> = (0..picture.planes.len()).collect();
    let mcus = picture.interleaved(8);
    push_scan_header(&mut file, &components, [0, 0, 0x01]);
    picture.push_arithmetic_scan(&mut file, conditioning, &mcus, |interval, component, coefs| {
        interval.dc(component, coefs[0] >> 1);
    });
    for &i in &components {
        push_scan_header(&mut file, &[i], [1, 63, 0x01]);
        picture.push_arithmetic_scan(&mut file, conditioning, &picture.blocks_of(i), |interval, _, coefs| {
            interval.ac_first(&coefs.map(|coef| coef / 2));
        });
    }
    push_scan_header(&mut file, &components, [0, 0, 0x10]);
    picture.push_arithmetic_scan(&mut file, conditioning, &mcus, |interval, _, coefs| {
        interval.encode(State::FIXED, coefs[0] & 1 != 0);
    });
    for &i in &components {
        push_scan_header(&mut file, &[i], [1, 63, 0x10]);
        picture.push_arithmetic_scan(&mut file, conditioning, &picture.blocks_of(i), |interval, _, coefs| {
            interval.ac_refine(&coefs);
        });
    }
    file.extend([0xff, 0xd9]);
    file
}
