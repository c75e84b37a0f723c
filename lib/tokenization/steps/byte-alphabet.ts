/** GPT-2's byte alphabet: a printable character for each byte, so that byte-level BPE can work on strings. */
const characterOfByte = buildAlphabet();

function buildAlphabet(): readonly string[] {
  const printable = (byte: number): boolean => (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xff && byte !== 0xad);
  let replacement = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : replacement++));
}

const BLANK = characterOfByte[0x20] ?? "";
/** Matches most pieces: a word, perhaps with the blank before it. */
const ASCII_WORD = /^ ?[!-~]*$/;

/** The UTF-8 bytes of a well-formed text, written in GPT-2's alphabet. */
export function toByteAlphabet(text: string): string {
  if (ASCII_WORD.test(text)) return text.startsWith(" ") ? BLANK + text.slice(1) : text;
  let result = "";
  for (const byte of Buffer.from(text, "utf8")) result += characterOfByte[byte] ?? "";
  return result;
}
