//! A projection on the host: its linear maps in f64, ready to be changed.

use super::Table;
use crate::{
    analysis::{AnalysisError, Matrix, report::weight_of},
    projection::{Form, Projection},
};

/// One linear map, `y = W x + b`.
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    /// W, `[output, input]`.
    pub weight: Matrix,
    /// b, `[output]`.
    pub bias: Option<Vec<f64>>,
}

/// A projection: no map (the tower's output is the embedding), one, or two with an exact GELU between them.
///
/// # Shapes
/// - input: `[input_dim]`, the pooled feature
/// - output: `[output_dim]`, in the joint space, not normalised
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    input_dim: usize,
    maps: Vec<Map>,
}

impl Head {
    /// The head of a loaded model, with exactly its numbers.
    pub fn of(projection: &Projection) -> Result<Self, AnalysisError> {
        let of_map = |map: &crate::projection::LinearMap| {
            let bias = map.bias.as_ref().map(|bias| bias.iter().copied().map(f64::from).collect());
            Ok(Map { weight: weight_of(map)?, bias })
        };
        let maps = projection.maps().iter().map(of_map).collect::<Result<_, _>>()?;
        Self::new(projection.config().input_dim, maps)
    }

    /// A head of up to two maps.
    ///
    /// # Errors
    /// If there are more than two maps, if they do not fit each other, or if a bias does not fit its map or has a value
    /// that is not finite.
    pub fn new(input_dim: usize, maps: Vec<Map>) -> Result<Self, AnalysisError> {
        if maps.len() > 2 {
            return Err(AnalysisError::Undefined { figure: "a head", input: "more than two linear maps" });
        }
        let mut size = input_dim;
        for map in &maps {
            let [output, input] = map.weight.shape();
            let bias = map.bias.as_ref().map_or(output, Vec::len);
            if input != size || bias != output {
                let (left, right) = (map.weight.shape(), [size, bias]);
                return Err(AnalysisError::Shapes { figure: "a head", left, right });
            }
            map.bias.as_deref().map(column).transpose()?;
            size = output;
        }
        Ok(Self { input_dim, maps })
    }

    /// Size of the pooled feature.
    pub fn input_dim(&self) -> usize {
        self.input_dim
    }

    /// Size of the joint space.
    pub fn output_dim(&self) -> usize {
        self.maps.last().map_or(self.input_dim, |map| map.weight.shape()[0])
    }

    /// The linear maps, first to last.
    pub fn maps(&self) -> &[Map] {
        &self.maps
    }

    /// The one map of a linear head; none for an MLP and for no head at all.
    pub fn linear(&self) -> Option<&Map> {
        match self.maps.as_slice() {
            [map] => Some(map),
            _ => None,
        }
    }

    /// W of the head as one matrix: the identity where there is no head, none for an MLP.
    pub fn matrix(&self) -> Option<Matrix> {
        match self.maps.as_slice() {
            [] => Some(identity(self.input_dim)),
            [map] => Some(map.weight.clone()),
            _ => None,
        }
    }

    /// Pooled features to the joint space, not normalised.
    ///
    /// # Shapes
    /// - pooled: `[row, input_dim]`
    /// - output: `[row, output_dim]`
    pub fn apply(&self, pooled: &Table) -> Table {
        match self.maps.as_slice() {
            [] => pooled.clone(),
            [map] => pooled.affine(&map.weight, map.bias.as_deref()),
            [first, second, ..] => {
                pooled.affine_gelu(&first.weight, first.bias.as_deref()).affine(&second.weight, second.bias.as_deref())
            }
        }
    }

    /// The head followed by y ↦ A y.
    ///
    /// # Shapes
    /// - a: `[any, output_dim]`
    pub fn then(&self, a: &Matrix) -> Result<Self, AnalysisError> {
        let mut maps = self.maps.clone();
        match maps.last_mut() {
            None => maps.push(Map { weight: a.clone(), bias: None }),
            Some(last) => {
                last.weight = a.times(&last.weight)?;
                last.bias = last
                    .bias
                    .as_ref()
                    .map(|bias| column(bias).and_then(|bias| a.times(&bias)))
                    .transpose()?
                    .map(|moved| moved.values().to_vec());
            }
        }
        Self::new(self.input_dim, maps)
    }

    /// The head followed by y ↦ y + c.
    ///
    /// # Shapes
    /// - c: `[output_dim]`
    pub fn shifted(&self, c: &[f64]) -> Result<Self, AnalysisError> {
        let mut maps = self.maps.clone();
        if maps.is_empty() {
            maps.push(Map { weight: identity(self.input_dim), bias: None });
        }
        if let Some(last) = maps.last_mut() {
            last.bias = Some(match &last.bias {
                Some(bias) if bias.len() == c.len() => bias.iter().zip(c).map(|(b, c)| b + c).collect(),
                _ => c.to_vec(),
            });
        }
        Self::new(self.input_dim, maps)
    }

    /// The head as a tower with a head of `form` can have it: no map becomes the identity matrix where a tower has one.
    pub fn for_form(&self, form: &Form) -> Self {
        let mut head = self.clone();
        if head.maps.is_empty() && *form != Form::Identity {
            head.maps.push(Map { weight: identity(self.input_dim), bias: None });
        }
        head
    }

    /// x ↦ Q x followed by the head.
    ///
    /// # Shapes
    /// - q: `[input_dim, input_dim]`
    pub fn after(&self, q: &Matrix) -> Result<Self, AnalysisError> {
        let mut maps = self.maps.clone();
        match maps.first_mut() {
            None => maps.push(Map { weight: q.clone(), bias: None }),
            Some(first) => first.weight = first.weight.times(q)?,
        }
        Self::new(self.input_dim, maps)
    }
}

/// A vector as a matrix of one column.
pub fn column(values: &[f64]) -> Result<Matrix, AnalysisError> {
    Matrix::new(values.len(), 1, values.to_vec())
}

/// The map that changes nothing.
///
/// # Panics
/// If `size` is 0.
pub fn identity(size: usize) -> Matrix {
    let values = (0..size * size).map(|at| if at % (size + 1) == 0 { 1.0 } else { 0.0 }).collect();
    Matrix::new(size, size, values).expect("ones and zeros are finite")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix<const R: usize, const C: usize>(rows: [[f64; C]; R]) -> Matrix {
        Matrix::new(R, C, rows.concat()).unwrap()
    }

    fn head(maps: Vec<Map>) -> Head {
        Head::new(2, maps).unwrap()
    }

    #[test]
    fn changes_act_in_their_order() {
        let start = head(vec![Map { weight: matrix([[1.0, 2.0], [0.0, 1.0]]), bias: Some(vec![1.0, 0.0]) }]);
        let turn = matrix([[0.0, -1.0], [1.0, 0.0]]);
        let changed = start.then(&turn).unwrap().shifted(&[10.0, 20.0]).unwrap();
        // (3, 1) ↦ (5, 1) + (1, 0) = (6, 1) ↦ (−1, 6) ↦ (9, 26).
        assert_eq!(changed.apply(&Table::new(2, vec![3.0, 1.0])).values(), [9.0, 26.0]);
        let before = start.after(&turn).unwrap();
        // (3, 1) ↦ (−1, 3) ↦ (5, 3) + (1, 0).
        assert_eq!(before.apply(&Table::new(2, vec![3.0, 1.0])).values(), [6.0, 3.0]);
    }

    #[test]
    fn no_head_becomes_one_when_it_is_changed() {
        let none = head(Vec::new());
        let point = Table::new(2, vec![3.0, 1.0]);
        assert_eq!(none.apply(&point), point);
        assert_eq!(none.shifted(&[1.0, 1.0]).unwrap().apply(&point).values(), [4.0, 2.0]);
        assert_eq!(none.matrix().unwrap(), identity(2));
    }

    #[test]
    fn the_last_map_of_an_mlp_takes_the_change() {
        let first = Map { weight: matrix([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), bias: None };
        let second = Map { weight: matrix([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]), bias: None };
        let mlp = head(vec![first, second]);
        let point = Table::new(2, vec![0.3, -0.4]);
        let before = mlp.apply(&point);
        let after = mlp.then(&matrix([[2.0, 0.0], [0.0, -1.0]])).unwrap().shifted(&[0.5, 0.0]).unwrap().apply(&point);
        assert!((after.row(0)[0] - (2.0 * before.row(0)[0] + 0.5)).abs() < 1e-6);
        assert!((after.row(0)[1] + before.row(0)[1]).abs() < 1e-6);
        assert!(mlp.matrix().is_none());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let map = |rows| Map { weight: Matrix::new(rows, 2, vec![1.0; 2 * rows]).unwrap(), bias: None };
        assert!(Head::new(3, vec![map(2)]).is_err());
        assert!(Head::new(2, vec![map(3), map(2)]).is_err());
        assert!(Head::new(2, vec![Map { bias: Some(vec![0.0]), ..map(2) }]).is_err());
        assert!(Head::new(2, vec![Map { bias: Some(vec![0.0, f64::NAN]), ..map(2) }]).is_err());
    }
}
