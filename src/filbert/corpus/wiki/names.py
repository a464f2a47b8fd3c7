"""What pages, sections and languages are called in the wikitext of English and Chinese wikis."""

_DROPPED = (
    "file image media category video timedtext "  # English, good on every wiki
    "文件 檔案 档案 图像 圖像 图片 圖片 影像 媒体 媒體 媒体文件 媒體檔案 分类 分類 "
    # The other large wikis, for their links stand in pages that were translated.
    "datei bild kategorie fichier catégorie archivo imagen categoría ficheiro imagem categoria "
    "immagine plik grafika bestand afbeelding categorie файл изображение категория ファイル 画像 "
    "カテゴリ 파일 그림 분류 fil bilde berkas kategori tập_tin thể_loại"
)
DROPPED_NAMESPACES = frozenset(name.replace("_", " ") for name in _DROPPED.split())
"""A link into one of these shows a picture, plays something or sorts the page: no text."""

_LANGUAGES = (
    "aa ab ace af ak als am an ang ar arc arz as ast av ay az azb ba bar bat-smg bcl be be-tarask "
    "be-x-old bg bh bi bjn bm bn bo bpy br bs bug bxr ca cbk-zam cdo ce ceb ch cho chr chy ckb co "
    "cr crh cs csb cu cv cy da de diq dsb dv dz ee el eml en eo es et eu ext fa ff fi fiu-vro fj "
    "fo fr frp frr fur fy ga gag gan gd gl glk gn got gu gv ha hak haw he hi hif ho hr hsb ht hu "
    "hy hz ia id ie ig ii ik ilo io is it iu ja jbo jv ka kaa kab kbd kg ki kj kk kl km kn ko koi "
    "kr krc ks ksh ku kv kw ky la lad lb lbe lez lg li lij lmo ln lo lt ltg lv map-bms mdf mg mh "
    "mhr mi min mk ml mn mo mr mrj ms mt mus mwl my myv mzn na nah nap nds nds-nl ne new ng nl nn "
    "no nov nrm nso nv ny oc om or os pa pag pam pap pcd pdc pfl pi pih pl pms pnb pnt ps pt qu rm "
    "rmy rn ro roa-rup roa-tara ru rue rw sa sah sc scn sco sd se sg sh si simple sk sl sm sn so "
    "sq sr srn ss st stq su sv sw szl ta te tet tg th ti tk tl tn to tpi tr ts tt tum tw ty udm ug "
    "uk ur uz ve vec vep vi vls vo wa war wo wuu xal xh xmf yi yo za zea zh zh-classical zh-cn "
    "zh-hans zh-hant zh-min-nan zh-tw zh-yue zu"
)
LANGUAGES = frozenset(_LANGUAGES.split())
"""Wikipedias by the prefix that links a page to the same page in another language."""

SISTERS = frozenset(
    "w wikt wiktionary wikipedia wp project s wikisource b wikibooks n wikinews q wikiquote "
    "v wikiversity voy wikivoyage species wikispecies c commons m meta d wikidata mw help portal "
    "special user template 维基百科 維基百科 幫助 帮助 主题 主題 模板 特殊 用户 用戶".split()
)
"""Prefixes that a link without a label shows, and a reader would not say."""

_ENDS = """
references|reference|notes|notes and references|references and notes|footnotes|citations|sources
external links|external link|see also|further reading|bibliography|works cited|general references
literature|links|related pages|related links|additional reading|cited sources|endnotes
参考文献|參考文獻|参考资料|參考資料|参考|參考|参考来源|參考來源|参考书目|參考書目|参考链接|參考連結
外部链接|外部連結|外部鏈接|外部连接|外部連接|参见|參見|参看|參看|参阅|參閱|相关条目|相關條目|相关链接
注释|註釋|注釋|注解|註解|备注|備註|脚注|腳註|注脚|註腳|资料来源|資料來源|来源|來源|延伸阅读|延伸閱讀
扩展阅读|擴展閱讀|关联项目|關聯項目|相关页面|相關連結|引用|书目|書目|注|註|引文|出处|出處
"""
REFERENCE_SECTIONS = frozenset(name for line in _ENDS.split("\n") for name in line.split("|"))
"""Sections (small letters) that are lists of references and links, unless somebody wrote prose."""
