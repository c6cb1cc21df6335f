//! How far what was found is from what was expected.

/// Rows of so many numbers may be of classes, of which the five likeliest say something.
const CLASSES: usize = 10;

/// How many of the largest are looked at besides the first.
const FIVE: usize = 5;

/// In how many rows the largest number that was expected is found to be among the largest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Agreement {
    /// It is the largest.
    pub first: usize,
    /// It is one of the five largest; none where rows have fewer than ten numbers.
    pub five: Option<usize>,
    /// How many rows there are.
    pub rows: usize,
}

/// How far two numbers may be from each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Tolerance {
    /// So much of the largest magnitude that was expected.
    Magnitude(f64),
    /// So much of the largest magnitude that was expected, and so much of each number itself.
    Both(f64, f64),
    /// They must be equal.
    None,
}

impl Tolerance {
    /// What rounding in another order comes to.
    pub const ROUNDING: Self = Self::Both(1e-5, 1e-4);

    /// How far a number may be off.
    fn of(self, expected: f64, magnitude: f64) -> f64 {
        match self {
            Self::Magnitude(share) => share * magnitude,
            Self::Both(share, own) => share * magnitude + own * expected.abs(),
            Self::None => 0.0,
        }
    }
}

/// What was found of an output beside what was expected.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The output.
    pub name: String,
    /// The largest distance between two numbers; infinite where only one of them is infinite or no number.
    pub largest: f64,
    /// The part that was added in which it is, the first being 0.
    pub worst: usize,
    /// The largest finite magnitude that was expected.
    pub magnitude: f64,
    /// Numbers.
    pub count: usize,
    /// Where rows of the last axis have more than one number.
    pub agreement: Option<Agreement>,
    distances: f64,
    squares: f64,
    products: [f64; 3],
    parts: usize,
}

impl Difference {
    /// Of an output of which nothing is known yet.
    pub fn of(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            largest: 0.0,
            worst: 0,
            magnitude: 0.0,
            count: 0,
            agreement: None,
            distances: 0.0,
            squares: 0.0,
            products: [0.0; 3],
            parts: 0,
        }
    }

    /// Adds a part, which may be a sample or all results of a prediction, with the extent of its last axis.
    pub fn add(&mut self, expected: &[f64], found: &[f64], row: usize) {
        for (&a, &b) in expected.iter().zip(found) {
            let distance = distance(a, b);
            if distance > self.largest {
                (self.largest, self.worst) = (distance, self.parts);
            }
            self.distances += distance;
            self.squares += distance * distance;
            if a.is_finite() && b.is_finite() {
                self.magnitude = self.magnitude.max(a.abs());
                let products = [a * b, a * a, b * b];
                let sums = self.products.iter_mut().zip(products);
                sums.for_each(|(sum, product)| *sum += product);
            } else if a.is_finite() {
                self.magnitude = self.magnitude.max(a.abs());
            }
            self.count += 1;
        }
        if row > 1 {
            let rows = expected.chunks(row).zip(found.chunks(row));
            rows.for_each(|(expected, found)| self.agree(expected, found));
        }
        self.parts += 1;
    }

    fn agree(&mut self, expected: &[f64], found: &[f64]) {
        let agreement = self.agreement.get_or_insert(Agreement {
            five: (expected.len() >= CLASSES).then_some(0),
            ..Agreement::default()
        });
        let first = (0..expected.len())
            .rev()
            .max_by(|&i, &j| expected[i].total_cmp(&expected[j]));
        let Some(first) = first else { return };
        // How many are before it: of equal ones the first.
        let before = (0..found.len()).filter(|&i| {
            let order = found[i].total_cmp(&found[first]);
            order.is_gt() || (order.is_eq() && i < first)
        });
        let before = before.count();
        agreement.rows += 1;
        agreement.first += usize::from(before == 0);
        if let Some(five) = &mut agreement.five {
            *five += usize::from(before < FIVE);
        }
    }

    /// The mean of distances.
    pub fn mean(&self) -> f64 {
        self.distances / self.count.max(1) as f64
    }

    /// The cosine of the angle between all finite numbers as vectors.
    pub fn cosine(&self) -> f64 {
        let [both, a, b] = self.products;
        // Of two vectors of zeros, too.
        match a == 0.0 && b == 0.0 {
            true => 1.0,
            false => both / (a * b).sqrt(),
        }
    }

    /// The largest distance, of the largest magnitude that was expected; of 1 where all are zero.
    pub fn relative(&self) -> f64 {
        self.largest / self.scale()
    }

    /// The root of the mean of squared distances, of the same.
    pub fn relative_rms(&self) -> f64 {
        (self.squares / self.count.max(1) as f64).sqrt() / self.scale()
    }

    /// How many of these numbers are further from what was expected than they may be. All must have been added before.
    pub fn beyond(&self, expected: &[f64], found: &[f64], tolerance: Tolerance) -> usize {
        let scale = self.scale();
        let both = expected.iter().zip(found);
        // What is no distance at all is within none.
        both.filter(|&(&a, &b)| {
            distance(a, b)
                > if a.is_finite() {
                    tolerance.of(a, scale)
                } else {
                    0.0
                }
        })
        .count()
    }

    /// That magnitude, or 1 where all are zero.
    pub fn scale(&self) -> f64 {
        match self.magnitude {
            0.0 => 1.0,
            magnitude => magnitude,
        }
    }
}

/// Two that are equal have no distance, infinities and NaN too.
fn distance(a: f64, b: f64) -> f64 {
    if a == b || (a.is_nan() && b.is_nan()) {
        return 0.0;
    }
    let distance = (a - b).abs();
    if distance.is_nan() {
        f64::INFINITY
    } else {
        distance
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_angles_and_places() {
        let mut found = Difference::of("y");
        found.add(&[1.0, 0.0], &[1.0, 0.5], 2);
        found.add(&[0.0, 2.0], &[3.0, 2.0], 2);
        assert_eq!([found.largest, found.mean(), found.relative()], [3.0, 0.875, 1.5]);
        let agreement = found.agreement.unwrap();
        assert_eq!(
            (agreement.first, agreement.five, agreement.rows, found.worst),
            (1, None, 2, 1)
        );
        assert!((found.cosine() - 5.0 / (5.0_f64 * 14.25).sqrt()).abs() < 1e-12);
        assert_eq!(Difference::of("y").cosine(), 1.0);
    }

    #[test]
    fn the_five_largest() {
        let expected: Vec<f64> = (0..10).map(f64::from).collect();
        let mut found = Difference::of("y");
        for place in [9.0, 4.5, 3.5] {
            let mut other = expected.clone();
            other[9] = place;
            found.add(&expected, &other, 10);
        }
        let agreement = found.agreement.unwrap();
        assert_eq!((agreement.first, agreement.five, agreement.rows), (1, Some(2), 3));
    }

    #[test]
    fn infinities_and_what_is_no_number() {
        let (inf, nan) = (f64::INFINITY, f64::NAN);
        let mut found = Difference::of("y");
        found.add(&[inf, nan, 2.0], &[inf, nan, 2.0], 1);
        assert_eq!([found.largest, found.cosine()], [0.0, 1.0]);
        for (a, b) in [(inf, -inf), (nan, 1.0), (1.0, nan), (inf, 1.0)] {
            let mut found = found.clone();
            found.add(&[a], &[b], 1);
            assert_eq!((found.largest, found.worst), (inf, 1));
            assert_eq!(found.beyond(&[a], &[b], Tolerance::Magnitude(10.0)), 1, "{a} {b}");
        }
    }

    #[test]
    fn tolerances() {
        let mut found = Difference::of("y");
        let (a, b) = ([100.0, 1.0, 0.0], [100.0, 1.5, 0.002]);
        found.add(&a, &b, 3);
        let beyond = |tolerance| found.beyond(&a, &b, tolerance);
        assert_eq!(beyond(Tolerance::None), 2);
        assert_eq!(beyond(Tolerance::ROUNDING), 2);
        assert_eq!(beyond(Tolerance::Magnitude(1e-4)), 1);
        assert_eq!(beyond(Tolerance::Magnitude(5e-3)), 0);
        assert_eq!(beyond(Tolerance::Both(2e-5, 0.0)), 1);
    }
}
