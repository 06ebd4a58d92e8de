import { expect, test } from 'vitest';

import { Level } from '../api/gen/muster/v1/channel_pb.ts';
import { readRoster, type RosterLine } from './rosterFile.ts';

async function read(text: string | Uint8Array, name = 'roster.csv', pieceSize = 7): Promise<RosterLine[]> {
  const bytes = typeof text === 'string' ? new TextEncoder().encode(text) : text;
  async function* pieces() {
    for (let at = 0; at < bytes.length; at += pieceSize) yield bytes.subarray(at, at + pieceSize);
  }
  const lines: RosterLine[] = [];
  for await (const some of readRoster(pieces(), name)) lines.push(...some);
  return lines;
}

const short = (lines: RosterLine[]) =>
  lines.map((l) =>
    l.kind === 'person' ? `${l.line} ${l.account}|${l.nickname}|${l.level}` : `${l.line} !${l.problem}`,
  );

test.each([
  ['anna,Anna,admin\nben,,\n', ['1 anna|Anna|5', '2 ben||0']],
  ['account,nickname,level\r\nanna,"An, na ""A""",Owner\r\n\r\nben,Ben,guest', ['2 anna|An, na "A"|6', '4 ben|Ben|1']],
  ['\uFEFF昵称;账号;等级\n安娜;anna;管理员\n;ben;嘉宾\n', ['2 anna|安娜|5', '3 ben||2']],
  ['user\tname\nanna\tAnna\n', ['2 anna|Anna|0']],
  ['user,Ulla,member\n', ['1 user|Ulla|3']], // a person, not a header
  ['anna,"two\nlines",vip\nben,B,3\n', ['1 anna|two\nlines|2', '3 ben|B|3']],
  ["anna,'=1+1,member\n", ['1 anna|=1+1|3']],
  [
    'anna,Anna,boss\nben,Ben,vip,extra\ncarl,"Ca"rl,vip\n,nobody,vip\nlast,L,vip\n',
    ['1 !level', '2 !fields', '3 !quote', '4 !account', '5 last|L|2'],
  ],
  ['anna,"never closed,vip\nben,B,vip\n', ['1 !quote', '2 ben|B|2']],
  [`${'x'.repeat(70_000)},a,vip\nben,B,vip\n`, ['1 !long', '2 ben|B|2']],
  ['', []],
])('CSV %#', async (text, want) => {
  for (const size of [1, 5, 64, 100_000]) {
    if (text.length > 1_000 && size < 64) continue;
    expect(short(await read(text, 'roster.csv', size))).toEqual(want);
  }
});

test('JSON Lines', async () => {
  const text = [
    '{"account":"anna","nickname":"Anna","level":"owner"}',
    '{"user":"ben","level":3,"x":1}',
    '{"account":"carl","user":"other"}',
    'nonsense',
    '[1]',
    '{"account":{}}',
    '{"account":1.5}',
  ].join('\n');
  const want = ['1 anna|Anna|6', '2 ben||3', '3 carl||0', '4 !json', '5 !object', '6 !value', '7 !value'];
  expect(short(await read(text, 'roster.jsonl'))).toEqual(want);
  expect(short(await read(text, 'roster'))).toEqual(want); // known by its first letter
});

test('what is no text in UTF-8', async () => {
  await expect(read(new Uint8Array([0xff, 0xfe, 97, 0]))).rejects.toMatchObject({ problem: 'utf16' });
  await expect(read(new Uint8Array([0x50, 0x4b, 3, 4, 0]))).rejects.toMatchObject({ problem: 'archive' });
  await expect(read('[{"account":"anna"}]', 'a.json')).rejects.toMatchObject({ problem: 'array' });
  await expect(read('nickname,level\nA,vip\n')).rejects.toMatchObject({ problem: 'header' });
  await expect(read('account,account\na,b\n')).rejects.toMatchObject({ problem: 'twice' });
  const gbk = new Uint8Array([97, 44, 0xc4, 0xe3, 44, 49, 10, 98, 44, 66, 44, 50, 10]);
  expect(short(await read(gbk))).toEqual(['1 !encoding', '2 b|B|2']);
});

test('a level may have any case, and a line says what it was', async () => {
  const [line, bad] = await read('anna,A,ADMIN\nben,B,??\n');
  expect(line).toMatchObject({ level: Level.ADMIN });
  expect(bad).toMatchObject({ problem: 'level', text: 'ben,B,??' });
});
