//! Any matrix of the checkpoint, or made of its heads, as a picture.

use std::sync::Arc;

use cliploupe_engine::{
    analysis::{AnalysisError, Matrix, geometry::psi},
    chain,
    inspect::{Pyramid, TensorError, TensorFile, TensorInfo},
    lab::{Map, edit::Heads},
};

use super::{InForce, of_analysis};
use crate::{
    messages::{Histogram, MatrixFacts, MatrixSource, Problem, ProblemCode, Side, TensorRow, Tile},
    problem::of_load,
};

/// The matrix that is looked at.
pub struct Open {
    /// Which.
    pub source: MatrixSource,
    /// The heads that it is of, if it is of heads.
    pub heads: Arc<Heads>,
    /// The model it is of.
    pub version: u32,
    /// Its values and its levels.
    pub pyramid: Arc<Pyramid>,
    facts: MatrixFacts,
}

impl Open {
    /// Reads or computes a matrix.
    pub fn new(in_force: &InForce, source: &MatrixSource) -> Result<Self, Problem> {
        let (name, shape, dtype, pyramid) = match source {
            MatrixSource::Tensor { name } => tensor(in_force, name)?,
            computed => {
                let (name, matrix) = computed_matrix(in_force, computed)?;
                let shape = matrix.shape().to_vec();
                (name, shape, "F64".to_owned(), Pyramid::of_matrix(&matrix))
            }
        };
        let facts = facts(name, &shape, dtype, &pyramid);
        let (heads, version) = (in_force.heads.clone(), in_force.base.version);
        Ok(Self { source: source.clone(), heads, version, pyramid: Arc::new(pyramid), facts })
    }

    /// Whether it is this matrix of these heads.
    pub fn is(&self, in_force: &InForce, source: &MatrixSource) -> bool {
        let of_file = matches!(source, MatrixSource::Tensor { .. });
        let same_heads = of_file || Arc::ptr_eq(&self.heads, &in_force.heads);
        self.source == *source && self.version == in_force.base.version && same_heads
    }

    /// Its figures.
    pub fn facts(&self) -> MatrixFacts {
        self.facts.clone()
    }
}

/// Pixels of a tile as little-endian f32.
pub fn pixels(pyramid: &Pyramid, tile: &Tile) -> Vec<u8> {
    let [row, column, rows, columns] = [tile.row, tile.column, tile.rows, tile.columns].map(|value| value as usize);
    let found = pyramid.tile(tile.level, row, column, rows, columns);
    found.values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Every tensor of the checkpoint.
pub fn tensors(in_force: &InForce) -> Result<Vec<TensorRow>, Problem> {
    let file = TensorFile::of(&in_force.base.checkpoint).map_err(|error| of_load(&error))?;
    let row = |info: TensorInfo| TensorRow {
        name: info.name,
        shape: info.shape.iter().map(|side| *side as u32).collect(),
        dtype: info.dtype,
        count: info.count,
    };
    Ok(file.list().into_iter().map(row).collect())
}

fn tensor(in_force: &InForce, name: &str) -> Result<(String, Vec<usize>, String, Pyramid), Problem> {
    let mut file = TensorFile::of(&in_force.base.checkpoint).map_err(|error| of_load(&error))?;
    let found = file.read(name).map_err(|error| of_tensor(&error))?;
    let pyramid = Pyramid::of_tensor(&found.info.shape, found.values);
    Ok((found.info.name, found.info.shape, found.info.dtype, pyramid))
}

fn of_tensor(error: &TensorError) -> Problem {
    let cause = chain(error);
    Problem::new(ProblemCode::Analysis, &[("cause", &cause)], format!("cannot show this tensor: {cause}"))
}

fn computed_matrix(in_force: &InForce, source: &MatrixSource) -> Result<(String, Matrix), Problem> {
    let refused = |cause: &str| Problem::new(ProblemCode::Architecture, &[("cause", cause)], format!("{cause}."));
    let map = |side: Side, index: u32| -> Result<(&Map, String), Problem> {
        let head = in_force.head(side);
        let map = head.maps().get(index as usize).ok_or_else(|| refused("this tower has no such matrix"))?;
        Ok((map, in_force.base.side(side).key(head, index as usize)))
    };
    let checked = |found: Result<Matrix, AnalysisError>| found.map_err(|error| of_analysis(&error));
    Ok(match source {
        MatrixSource::Tensor { name } => return Err(refused(&format!("{name} is a tensor of the file"))),
        MatrixSource::Weight { side, map: index } => {
            let (map, name) = map(*side, *index)?;
            (name, map.weight.clone())
        }
        MatrixSource::OutputGram { side, map: index } => {
            let (map, name) = map(*side, *index)?;
            (format!("W Wᵀ, W = {name}"), checked(map.weight.times_transposed(&map.weight))?)
        }
        MatrixSource::InputGram { side, map: index } => {
            let (map, name) = map(*side, *index)?;
            (format!("Wᵀ W, W = {name}"), checked(map.weight.transposed_times(&map.weight))?)
        }
        MatrixSource::Psi => {
            let (image, text) = (in_force.heads.image.matrix(), in_force.heads.text.matrix());
            let both = image.zip(text).ok_or_else(|| refused("Ψ is there only between two linear projections"))?;
            ("Ψ = W_imageᵀ W_text".into(), checked(psi(&both.0, &both.1))?)
        }
    })
}

fn facts(name: String, shape: &[usize], dtype: String, pyramid: &Pyramid) -> MatrixFacts {
    let found = pyramid.facts();
    let [rows, columns] = pyramid.shape();
    let ends = found.min.zip(found.max);
    let capped = |norms: Vec<f64>| norms.into_iter().take(MatrixFacts::NORMS).collect();
    MatrixFacts {
        name,
        shape: shape.iter().map(|side| *side as u32).collect(),
        dtype,
        rows: rows as u32,
        columns: columns as u32,
        min: found.min.map(f64::from),
        max: found.max.map(f64::from),
        mean: found.mean,
        std: found.std,
        sparsity: found.sparsity,
        nan: found.nan,
        infinite: found.infinite,
        histogram: ends.map(|(from, to)| Histogram {
            from: from.into(),
            to: to.into(),
            counts: found.histogram.iter().map(|count| (*count).min(u32::MAX.into()) as u32).collect(),
        }),
        row_norms: capped(found.row_norms),
        column_norms: capped(found.column_norms),
    }
}
