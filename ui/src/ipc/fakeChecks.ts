// What the made-up shell finds when it checks a model: mostly good, with one check of each other outcome.
import type { Check } from "./bindings";

/** `isWrong`: a model whose configuration names another activation function than it was trained with. */
export function checked(isWrong: boolean): Check[] {
  const activation: Check = isWrong
    ? { id: "activation", outcome: "fail", figure: -0.041, params: { configured: "GELU", margin: "0.093", swapped: "0.134", other: "QuickGELU" }, message: "With GELU, as configured, matched pairs score 0.093 above others; with QuickGELU 0.134. The weights were trained with QuickGELU." }
    : { id: "activation", outcome: "pass", figure: 0.037, params: { configured: "GELU", margin: "0.134", swapped: "0.097", other: "QuickGELU" }, message: "With GELU, as configured, matched pairs score 0.134 above others; with QuickGELU 0.097." };
  return [
    { id: "files", outcome: "pass", figure: null, params: { count: "2" }, message: "2 files have the size and the hash of the record." },
    { id: "load", outcome: "pass", figure: null, params: { parameters: "151,294,209" }, message: "All tensors are used, none is missing, none holds NaN or infinity: 151,294,209 parameters." },
    { id: "agreement", outcome: "skipped", figure: null, params: { device: "CPU" }, message: "Not checked: the CPU computes, and there is nothing to compare it with." },
    { id: "orientation", outcome: "pass", figure: 0.121, params: { margin: "0.134", swapped: "0.013", projection: "text_projection" }, message: "Matched pairs score 0.134 above others, and 0.013 with text_projection transposed." },
    activation,
    { id: "normEpsilon", outcome: "pass", figure: 0.0004, params: { configured: "1e-5", margin: "0.134", swapped: "0.1336", other: "1e-6" }, message: "With 1e-5, as configured, matched pairs score 0.134 above others; with 1e-6 0.1336." },
    { id: "pooling", outcome: "pass", figure: null, params: { pooling: "argmax", causal: "true", context: "77" }, message: "The text tower pools at the end of the text, sees backwards only, and takes 77 tokens." },
    { id: "tokenizer", outcome: "pass", figure: null, params: { vocabulary: "49408", largest: "49407", start: "49406", end: "49407" }, message: "49,408 tokens; the largest id is 49407, which the tower's table has." },
    { id: "preprocessing", outcome: "pass", figure: null, params: { family: "OpenAI", mean: "0.481, 0.458, 0.408", std: "0.269, 0.261, 0.276", resize: "shortest side, centre crop", interpolation: "bicubic" }, message: "Mean, standard deviation and resizing are those of OpenAI's models." },
    { id: "logitScale", outcome: "pass", figure: 100, params: { scale: "100.0", bias: "", kind: "softmax" }, message: "The scale of the logits is 100.0, without a bias: softmax." },
    { id: "spread", outcome: "pass", figure: 0.447, params: { mean: "0.447", count: "12" }, message: "The mean cosine of two of 12 different pictures is 0.447." },
    { id: "samples", outcome: isWrong ? "warn" : "pass", figure: isWrong ? 0.093 : 0.134, params: { margin: isWrong ? "0.093" : "0.134", right: isWrong ? "9" : "12", count: "12" }, message: `${isWrong ? "9" : "12"} of 12 pictures score highest with their own label.` },
    { id: "language", outcome: "warn", figure: null, params: { language: "en" }, message: "The texts of this model are English; labels in other languages give guesses." },
  ];
}
