//! `preprocess`: writes what the image tower gets to see of a picture.

use cliploupe_workbench::engine::{
    photo::{self, Limits},
    preprocess::{normalise, resize_and_crop},
};
use safetensors::{Dtype, tensor::TensorView};
use serde_json::json;

use crate::{
    Report,
    args::{Common, Preprocess},
    failure::{Failed, photo_message},
    setup::load_for_reading,
};

pub fn run(command: &Preprocess, common: &Common) -> Result<Report, Failed> {
    let model = load_for_reading(common, None)?;
    let photo = photo::open(&command.path, &Limits::default())
        .map_err(|error| Failed::work(format!("{:?}: {}", command.path, photo_message(&error))))?;
    let pixels = resize_and_crop(&photo.picture, &model.preprocess);
    let (height, width) = (pixels.height, pixels.width);
    let values: Vec<u8> = normalise(&pixels, &model.preprocess).iter().flat_map(|v| v.to_le_bytes()).collect();
    let write = || -> Result<(), safetensors::SafeTensorError> {
        let tensors = [
            ("pixels_u8", TensorView::new(Dtype::U8, vec![height, width, 3], &pixels.data)?),
            ("pixels", TensorView::new(Dtype::F32, vec![3, height, width], &values)?),
        ];
        safetensors::serialize_to_file(tensors, None, &command.out)
    };
    write().map_err(|error| Failed::work(format!("cannot write {:?}: {error}", command.out)))?;
    let text =
        format!("wrote pixels_u8 [{height}, {width}, 3] and pixels [3, {height}, {width}] to {:?}\n", command.out);
    Ok(Report { text, json: json!({ "shape": [height, width, 3] }), complete: true })
}
