/** Language is one in which all texts are there. */
export type Language = 'en' | 'zh';
