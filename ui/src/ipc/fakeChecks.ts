// What the made-up shell finds when it checks a model: mostly good, with one check of each other outcome.
import type { Check } from "./bindings";

/** `isWrong`: a model whose configuration names another activation function than it was trained with. */
export function checked(isWrong: boolean): Check[] {
  const activation: Check = isWrong
    ? { id: "activation", outcome: "fail", figure: -0.041, params: { configured: "GELU", other: "QuickGELU", margin: "0.093", swapped: "0.134" }, message: "the activation is GELU, and QuickGELU does better: own labels stand out by +0.134 instead of +0.093" }
    : { id: "activation", outcome: "pass", figure: 0.037, params: { configured: "GELU", other: "QuickGELU", margin: "0.134", swapped: "0.097" }, message: "the activation is GELU: own labels stand out by +0.134, with QuickGELU by +0.097" };
  const samples: Check = isWrong
    ? { id: "samples", outcome: "warn", figure: 0.093, params: { margin: "0.093", right: "3", count: "7" }, message: "it names few photos rightly: 3 of 7 rightly named, own labels +0.093 above the others" }
    : { id: "samples", outcome: "pass", figure: 0.134, params: { margin: "0.134", right: "7", count: "7" }, message: "it knows what is on photos: 7 of 7 rightly named, own labels +0.134 above the others" };
  return [
    { id: "files", outcome: "pass", figure: null, params: { count: "2" }, message: "all 2 files are as they were installed" },
    { id: "load", outcome: "pass", figure: null, params: { parameters: "151294209" }, message: "every tensor is used, none is missing: 151294209 values, all of them numbers" },
    { id: "tokenizer", outcome: "pass", figure: null, params: { vocabulary: "49408", largest: "49407", start: "49406", end: "49407" }, message: "49408 words; sentences begin with 49406 and end with 49407" },
    { id: "pooling", outcome: "pass", figure: null, params: { pooling: "argmax", causal: "yes", context: "77" }, message: "a text's feature is taken by argmax of 77 tokens, each token sees those before it" },
    { id: "preprocessing", outcome: "pass", figure: null, params: { family: "openai", mean: "0.48145466, 0.4578275, 0.40821073", std: "0.26862954, 0.2613026, 0.2757771", resize: "shortest", interpolation: "bicubic" }, message: "pictures are prepared as openai models want it: shortest, bicubic" },
    { id: "logitScale", outcome: "pass", figure: 100, params: { scale: "100.00001", bias: "none", kind: "softmax" }, message: "scale 100.00, softmax" },
    { id: "spread", outcome: "pass", figure: 0.447, params: { mean: "0.447", count: "7" }, message: "different pictures have different vectors: mean cosine 0.45 over 7 pictures" },
    samples,
    { id: "language", outcome: "pass", figure: null, params: { language: "en" }, message: "labels in English" },
    { id: "orientation", outcome: "pass", figure: 0.121, params: { projection: "text_projection", margin: "0.134", swapped: "0.013" }, message: "text_projection is the right way round: own labels stand out by +0.134, transposed by +0.013" },
    { id: "rank", outcome: "pass", figure: 0.83, params: { projection: "visual.proj", rank: "425", of: "512" }, message: "visual.proj uses its directions: its effective rank is 425 of 512" },
    { id: "effectiveBias", outcome: "warn", figure: 0.62, params: { image: "62", text: "18" }, message: "what is added to every vector is 62 % of a picture's length and 18 % of a text's" },
    activation,
    { id: "normEpsilon", outcome: "pass", figure: 0.0004, params: { configured: "1e-5", other: "1e-6", margin: "0.134", swapped: "0.134" }, message: "the epsilon of norms is 1e-5: own labels stand out by +0.134, with 1e-6 by +0.134" },
    { id: "agreement", outcome: "skipped", figure: null, params: { reason: "noGpu" }, message: "not made: this machine has no GPU to compare with" },
  ];
}
