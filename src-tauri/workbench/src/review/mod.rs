//! From cosines to calibrated probabilities: margins over the library, what they mean, and how good they are.
//!
//! The numbers are the library's ([`cliploupe_library::calibrate`], [`cliploupe_library::evaluate`]); here they get what
//! only a model can give them.

mod evaluation;
mod margins;

pub use evaluation::{Judgement, Truth, View, evaluate};
pub use margins::{Margins, expected, margins};
