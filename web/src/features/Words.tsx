import { piecesOf } from './links.ts';

/** Words shows what somebody wrote: as text, with its web addresses as links that tell the page nothing of us. */
export function Words({ text }: { text: string }) {
  if (!text.includes('://')) return text;
  return piecesOf(text).map((piece, index) =>
    piece.href ? (
      // The pieces of a text never change their places.
      // oxlint-disable-next-line react/no-array-index-key
      <a key={index} href={piece.href} target="_blank" rel="noopener noreferrer nofollow ugc">
        {piece.text}
      </a>
    ) : (
      piece.text
    ),
  );
}
