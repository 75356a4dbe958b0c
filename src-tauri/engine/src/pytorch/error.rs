//! Why a PyTorch checkpoint was refused.

/// A PyTorch checkpoint that was refused. Nothing in it was run.
#[derive(Debug, thiserror::Error)]
pub enum PyTorchError {
    /// The file cannot be read.
    #[error("cannot read the file")]
    Read(#[from] std::io::Error),
    /// The zip archive contradicts itself or the file's length.
    #[error("the archive is damaged: {what}")]
    Archive {
        /// What does not fit.
        what: String,
    },
    /// A member of the archive is not stored as `torch.save` stores it.
    #[error("the archive's member {name:?} is {what}")]
    Member {
        /// The member.
        name: String,
        /// How it is stored instead.
        what: &'static str,
    },
    /// A form of PyTorch file, or a part of one, that is not read.
    #[error("{what} is not supported")]
    Unsupported {
        /// The form.
        what: String,
    },
    /// The pickle cannot be followed.
    #[error("its pickle is damaged at byte {at}: {what}")]
    Pickle {
        /// Position of the instruction in the pickle.
        at: usize,
        /// What is wrong with it.
        what: String,
    },
    /// The file has more of something than checkpoints ever have.
    #[error("it has more than {limit} {what}")]
    Limit {
        /// Of what.
        what: &'static str,
        /// The most that is accepted.
        limit: usize,
    },
    /// The pickle names a function that can reach outside of it.
    #[error("the file asks to run `{name}`; it was refused and nothing was run")]
    Dangerous {
        /// Module and function.
        name: String,
    },
    /// The file holds something else than tensors by name.
    #[error("it holds {found}, not a state dict")]
    NotAStateDict {
        /// What it holds.
        found: String,
    },
    /// A value among the tensors that is none.
    #[error("{name:?} in its state dict is {found}, not a tensor")]
    NotATensor {
        /// The name in the state dict.
        name: String,
        /// What it is.
        found: String,
    },
    /// A tensor that only exists after running a function that is never run.
    #[error("tensor {name:?} cannot be read: it asks to run `{function}`")]
    Asks {
        /// The name in the state dict.
        name: String,
        /// Module and function.
        function: String,
    },
    /// A tensor whose place in the file makes no sense.
    #[error("tensor {name:?} {what}")]
    Tensor {
        /// The name in the state dict.
        name: String,
        /// What is wrong with it.
        what: String,
    },
}
