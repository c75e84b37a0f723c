"""What transformers 5 renders chat templates to.

    HF_HUB_OFFLINE=1 python generate.py

Writes cases.json next to this file: { "variables", "cases": [[template, text or null]] }; null where the reference fails.

Made with transformers 5.24.0, jinja2 3.1.6.
"""

import json
from pathlib import Path

from transformers.utils.chat_template_utils import _compile_jinja_template

VARIABLES = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "query", "content": "  what is a naïve 😀 query? "},
        {"role": "document", "content": "One.\n\nTwo: it's \"quoted\" <b>\u2028\x1f"},
    ],
    "parts": [{"role": "query", "content": [{"type": "text", "text": "q"}]}, {"role": "document", "content": [{"type": "text", "text": "d"}]}],
    "tools": None, "documents": None, "add_generation_prompt": True, "bos_token": "<s>", "ratio": 0.25,
}

CASES = r'''
{% for i in [1,2,3] %}[{{ x }}]{% set x = i %}({{ x }}){% endfor %}{{ x }}
{% set x=9 %}{% for i in [1,2,3] %}[{{ x }}]{% set x = i %}({{ x }}){% endfor %}{{ x }}
{% for i in [1,2,3] %}{% if i==2 %}{% set x = i %}{% endif %}[{{ x }}]{% endfor %}
{% if true %}{% set x = 1 %}{% endif %}{{ x }}
{% macro f(a) %}{{ a }}{{ y }}{% endmacro %}{% set y=5 %}{{ f(1) }}
{% macro f(a) %}{{ a }}{{ y }}{% endmacro %}{% for y in [7] %}{{ f(1) }}{% endfor %}
{% macro f(a, b=a ~ 'z') %}{{ a }}{{ b }}{% endmacro %}{{ f(1) }}{{ f(1, 2) }}{{ f(b=3, a=4) }}{{ f() }}
{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, 2) }}
{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, b=2) }}
{% macro f(n) %}{% if n > 0 %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}
{% macro f(a, b=2) %}{{ a }}{{ b }}{{ caller('z') }}{{ varargs }}{{ kwargs }}{% endmacro %}{% call(x) f(1, 3, 4, q=5) %}[{{ x }}]{% endcall %}
{% macro f() %}{{ caller() }}{% endmacro %}{% call f() %}x{{ bos_token }}{% endcall %}
{% call f() %}x{% endcall %}
{{ 1e20 }}
{{ (1,) }}
{{ () }}
{{ 1,2 }}
{{ {1: 2, true: 3} }}
{{ 1 < 2 < 3 }}
{{ 'x%s' % 3 }}
{{ '{}'.format(1) }}
{{ 10 ** 20 }}
{{ 3.456|round(1) }}
{% raw %}{{ x }}{% endraw %}
{{ 'a'|center }}
{{ 3 is divisibleby(3) }}
{{ 1 + 2 ~ 'a' }}
{{ none }} {{ true }} {{ 1.0 }} {{ [1,'a"b','it\'s',none] }} {{ {'a':1} }} {{ (1, 2) }}
{{ 'é\x00\u200b\u2028😀\ue000'|list }}
{{ ['both\'"', 'back\\slash', 'tab\t', '\n'] }}
{{ foo.bar }}
{{ foo }}|{{ foo|length }}|{{ foo ~ 1 }}|{{ 1 in foo }}|{{ foo == none }}|{{ foo == bar }}
{{ foo + 'a' }}
{{ foo() }}
{{ 'a' * 3 }} {{ 2 * 'b' }} {{ [1] * 2 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 7 / 2 }} {{ 2 ** 3 }} {{ 2**-1 }} {{ 1 + true }} {{ 7.5 // 2 }}
{{ 1 / 0 }}
{{ [1] + [2] }} {{ (1,2) + (2,3) }} {{ 1 - 2.5 }} {{ -ratio }} {{ +true }} {{ - 3 }} {{ 1 -1 }}
{{ [1] + (2,3) }}
{{ 1 + 'a' }}
{{ none + 'a' }}
{{ [3,1,2]|sort }} {{ ['b','A','c']|sort }} {{ ['b','A','c']|sort(case_sensitive=true) }} {{ [1,3,2]|sort(reverse=true) }} {{ 'abc'|first }} {{ []|first }}| {{ [1,2]|join(', ') }} {{ 'abc'|join('-') }} {{ [1,none]|join }}
{{ ['a', 1]|sort }}
{{ [{'a': 2}, {'a': 1}]|sort(attribute='a')|map(attribute='a')|join }} {{ [[2],[1]]|sort }} {{ [(2, 'a'), (1, 'b')]|sort }}
{{ ' \x1f　\x85\xa0a\ufeff '|trim }}|{{ 'xxaxx'.strip('x') }}|{{ 'xya'.lstrip('yx') }}|{{ 'axy'.rstrip('y') }}|{{ 'xxaxx'|trim('x') }}
{{ messages[2].content|trim }}|{{ messages[1].content.strip() }}|
{{ 'hello wORLD'|title }}|{{ 'hello wORLD'|capitalize }}|{{ "it's a-b_c 1a (x"|title }}|{{ "it's a-b_c 1a (x".title() }}|{{ 'ab cd'.capitalize() }}|{{ ''|capitalize }}
{{ '1' == 1 }} {{ [1]==[1] }} {{ 1 == 1.0 }} {{ true == 1 }} {{ (1,2)==[1,2] }} {{ {'a':1}=={'a':1} }} {{ 'a' != 'b' }} {{ [1,[2]] == [1,[2.0]] }}
{{ '😀a'|length }} {{ '😀a'[0] }} {{ '😀a'[1:] }} {{ 'abc'[::-1] }} {{ 'abc'[5] }}|{{ [1][3] }}|{{ 'abc'[-1] }} {{ 'abcde'[1:4:2] }} {{ 'abc'[-2:] }} {{ 'abc'[:-1] }} {{ 'abc'[10:] }}| {{ [1,2,3][::-2] }} {{ (1,2,3)[1:] }} {{ 'abc'[2:0:-1] }} {{ [1,2,3][-9:2] }}
{{ messages[1:]|length }} {{ messages[::-1][0].role }} {{ messages[0]['role'] }} {{ messages[-1].role }} {{ messages|last|attr('role') }}|
{{ {'items': 1}['items'] }} {{ {'b':1,'a':2}|dictsort }} {{ {'b':1}.items()|list }} {{ {'b':1}|items|list }} {{ {'B':1,'a':2}|dictsort(true) }} {{ {'b':1,'a':2}|dictsort(by='value', reverse=true) }}
{{ {'a':'<é>"\x01\x7f', 'b':[1,2.5,true,none], 'c': {}}|tojson }} {{ {'a':[]}|tojson(indent=2) }} {{ [1,{'a':2}]|tojson(indent=2) }} {{ {'b':1,'a':2}|tojson(sort_keys=true) }} {{ 'é😀'|tojson(ensure_ascii=true) }} {{ [1,2]|tojson(separators=(',', ':')) }} {{ {1: 2}|tojson }}
{{ messages|tojson }}
{{ foo|tojson }}
{{ range(5)|list }} {{ range(1,10,3)|list }} {{ range(3, 0, -1)|list }} {{ range(0)|list }}
{{ range(100001)|list|length }}
{{ 'a' < 'b' }} {{ [1]<[2] }} {{ 'Z' < 'a' }} {{ '\uffff' < '😀' }} {{ (1,2) <= (1,2) }} {{ 1 >= 1.0 }}
{{ 1 < 'a' }}
{{ x|default('d') }} {{ ''|default('d') }}| {{ ''|default('d', true) }} {{ none|default('d') }} {{ false|d('e', boolean=true) }} {{ foo|default(default_value='z') }}
{% for k, v in {'a':1}.items() %}{{k}}{{v}}{{loop.index}}{{loop.last}}{% endfor %}{% for c in 'a😀' %}{{c}}{{ loop.cycle('x','y') }}{% endfor %}{% for k in {'a':1} %}{{k}}{% endfor %}
{% for a, b in [[1,2],[3,4]] %}{{ a }}{{ b }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.index0 }}{{ loop.first }}{{ loop.length }}{{ loop.previtem }}{{ loop.nextitem }}{% endfor %}
{% for a, b in [[1,2,3]] %}{% endfor %}
{% for i in [1,1,2] %}{{ loop.changed(i) }}{% endfor %}
{% for i in [] %}a{% else %}b{% endfor %}{% for i in [1] if i > 1 %}a{% else %}b{% endfor %}{% for i in foo %}x{% endfor %}{% for i in [1,2,3] if i is odd %}{{ i }}{{ loop.index }}{% endfor %}
{% for i in none %}{% endfor %}
{% for i in 5 %}{% endfor %}
{% for i in [1,2,3] %}{% if i == 2 %}{% continue %}{% endif %}{{ i }}{% if i == 3 %}{% break %}{% endif %}{% endfor %}{% for i in [1,2] %}{% break %}{% else %}e{% endfor %}
{% for i in [1,2] %}{% for j in [1,2] %}{% if j == 2 %}{% break %}{% endif %}{{ i }}{{ j }}{% endfor %}.{% endfor %}
{% set ns = namespace(a=1) %}{% set ns.b = 2 %}{{ ns.a }}{{ ns.b }}{{ ns.c }}{{ ns['a'] }}{% for i in [1,2] %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}
{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a }}{{ ns.b }}{{ dict(a=1, b=2) }}{{ dict([('a', 1)]) }}
{% set messages.x = 1 %}
{% set ns = namespace() %}{% set ns._x = 1 %}
{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set c = (1, 2) %}{{ c[1] }}{% set d %}x{{ a }}{% endset %}{{ d }}{% set e | upper %}abc{% endset %}{{ e }}
{% filter upper %}abc{{ 1 }}{% endfilter %}{% filter replace('a', 'b') %}aa{% endfilter %}
{{ 'a,b,,c'.split(',') }} {{ ' a  b '.split() }} {{ 'a b c'.split(' ', 1) }} {{ ' a b  c '.split(none, 1) }} {{ 'abc'.replace('b','x') }} {{ 'aaa'.replace('a','b',2) }} {{ 'ab'.replace('', '-') }} {{ 'a\r\nb\n'.splitlines() }} {{ 'aXbXc'.rsplit('X',1) }} {{ ''.split(',') }} {{ ''.split() }} {{ 'ab'.split('b') }}
{{ 'a'.split('') }}
{{ [1,2,3,4]|select('even')|list }} {{ ['a','']|select|list }} {{ [{'a':1},{'a':2},{}]|selectattr('a')|map(attribute='a')|list }} {{ [{'a':1},{'b':2}]|map(attribute='a', default=7)|list }} {{ ['a']|map('upper')|list }} {{ [1,1,2]|unique|list }} {{ [1,2]|sum }} {{ [1,2]|max }} {{ ['b','A']|min }} {{ [{'a':1}]|rejectattr('a','eq',1)|list }} {{ [1,2]|reject('eq',1)|list}} {{ [1,2,3]|select('>', 1)|list }} {{ ['a','b']|select('in', ['a'])|list }}
{{ messages | selectattr("role", "eq", "system") | map(attribute="content") | first | default("none") }}|{{ messages | selectattr("role", "equalto", "user") | map(attribute="content") | first | default("none") }}
{{ (messages | selectattr('role', 'equalto', 'document') | first)['content'] }}{% set s = messages|selectattr('role', 'eq', 'tool') %}{% if s %}true{% endif %}{{ s|first }}|{{ s|list }}
{% set s = messages|map(attribute='role') %}{{ s|first }}{{ s|list }}{{ s|list }}
{{ [1,2]|map('string')|join('-') }} {{ '12'|int }} {{ '1.5'|float }} {{ 'x'|int(3) }} {{ 3.7|int }} {{ 2.5|round }} {{ 3.5|round }} {{ -2.5|round }} {{ 2.1|round(method='ceil') }} {{ -3|abs }} {{ '3.7'|int }} {{ 3|float }} {{ 'x'|float }} {{ ' 7 '|int }} {{ none|int }}
{{ 'a\nb\n\nc'|indent }}|{{ 'a\nb'|indent(2, true) }}|{{ 'a\nb'|indent(width=1, first=True) }}|{{ 'a\n\nb'|indent(2, blank=true) }}|{{ 'a\n'|indent }}|
{{ raise_exception('no') }}
{{ 'a' is string }} {{ 1 is number }} {{ true is number }} {{ true is integer }} {{ true is boolean }} {{ [] is iterable }} {{ {} is mapping }} {{ 'a' is sequence }} {{ {} is sequence}} {{ foo is none }} {{ foo is iterable }} {{ 1.5 is float }} {{ range is callable }} {{ 'a' is lower }} {{ 'A1' is upper }} {{ 1 is lower }} {{ tools is none }} {{ tools is defined }} {{ foo is not defined }} {{ 1 is true }} {{ 3 is odd }} {{ -3 is odd }}
{{ 'abc'|upper|lower|replace('a','b') }} {{ 'aaa'|replace('a','b',2) }} {{ 'x'|string ~ 1 ~ none ~ true }} {{ 1|string + 'a' }} {{ 12|replace('1', 'x') }} {{ 1.5 ~ '' }}
{{ 'a' in 'abc' and not 'z' in 'abc' }} {{ 'a' not in {'a':1} }} {{ 1 in [1.0] }} {{ '' in 'a' }} {{ 'role' in messages[0] }} {{ 1 in (1,2) }}
{{ 1 in 'a' }}
{{ [1,2]|last }} {{ [1,2]|reverse|list }} {{ 'a😀c'|reverse }} {{ 'a b'|wordcount }} {{ [[1,2],[3]]|map('first')|list }} {{ {'a':{'b':1}}|attr('a') }}|{{ [{'a':{'b':[5]}}]|map(attribute='a.b.0')|list }} {{ [(1,2)]|map(attribute=1)|list }}
{{ 'İSΑΣ'|lower }} {{ 'ß'|upper }} {{ 'aB'.lower() }} {{ 'ﬁ'.upper() }}
{{ 0.00000015 }} {{ 0.1+0.2 }} {{ 10000000000000000.0 }} {{ 123456789.0*10 }} {{ 0.0001 }} {{ 0.00001 }} {{ 0.00012 }} {{ 1000000000000000.0 }} {{ -0.0 }} {{ ratio }}
{{ 'abc'.startswith(('x','a')) }} {{ 'abc'.endswith('c') }} {{ 'abc'.find('c') }} {{ 'aba'.rfind('a') }} {{ '😀b'.find('b') }} {{ 'abab'.count('ab') }} {{ 'ab'.count('') }} {{ 'aB'.isupper() }} {{ '12'.isdigit() }} {{ ''.isdigit() }} {{ ','.join(['a','b']) }} {{ 'abc'.removeprefix('a') }} {{ 'abc'.removesuffix('c') }} {{ ' '.isspace() }} {{ 'ab'.isalpha() }} {{ 'ab1'.islower() }}
{{ ','.join([1]) }}
{{ ['a','b'].index('b') }} {{ [1,1].count(1) }} {{ {'a':1}.get('b') }} {{ {'a':1}.get('b', 3) }} {{ {'a':1}.keys()|list }} {{ {'a':1}.values()|list }} {{ (1,2).index(2) }}
{{ [1].append(2) }}
{{ messages[0].update({}) }}
{{ ''.__class__ }}|{{ ''.__class__.__mro__ }}
{{ messages[0]['x']['y'] }}
{{ x if false }}|{{ 'a' if true else 'b' }}|{{ 'a' if foo else 'b' if foo else 'c' }}
{{ 1 and 2 }} {{ 0 or 'a' }} {{ not 1 }} {{ not foo }} {{ none and 1 }} {{ 0.0 or 'z' }} {{ [] or {} or '' or none }} {{ not not 'a' }}
{{ {'a': 1, 'a': 2}['a'] }} {{ {1: 'x'}[1] }} {{ {none: 1} }} {{ {'x': {'y': 1}}.x.y }} {{ {'a b': 1}['a b'] }}
{{ 'a' 'b' }} {{ "\n" }}| {{ '\u00e9\x41' }} {{ 'it''s' }}
{{ [1,2,] }} {{ (1) }}
a{#- c -#} b {# {{ x }} #}c
{%- for message in messages -%}{{ message.role }}:{{ message['content'] | trim + '!' }};{%- endfor -%}
{% for m in parts %}{{ m.role }}={{ m.content[0].text }},{{ m['content'][0]['type'] }};{% endfor %}
{% for m in parts %}{% for p in m.content if p.type == 'text' %}{{ p.text }}{% endfor %}{% endfor %}{% if m.content is string %}{% endif %}
{{ bos_token }}{{ eos_token }}|{% if add_generation_prompt %}go{% endif %}{% if tools %}t{% endif %}
{% set ns = namespace(found=false) %}{% for m in messages %}{% if m.role == 'query' %}{% set ns.found = true %}{% endif %}{% endfor %}{{ ns.found }}
{% if a is defined %}1{% elif messages|length > 2 %}2{% else %}3{% endif %}
{{ '\ud83d' is string }}
{{ 'x' ~ 1 + 2 }}
{{ messages|map(attribute='role')|join(',') }} {{ messages|length }} {{ messages|map('length')|list }}
{{ 'a'|safe }} {{ ['b','a','b']|unique|join }} {{ ['b','B']|unique|list }}
{% generation %}x{% endgeneration %}y
'''.strip("\n").split("\n")

# Templates of several lines, for white space.
BLOCKS = [
    "  {%- if true %}  \n  x  {% endif %}\n\n y",
    "a\n  {% if true %}\nb\n  {% endif %}\nc\n\n",
    "{{ 'a' }}\n{{ 'b' }}\n",
    "  {{ 1 }}  {% set x=1 %}\n z",
    "   {- x -}\n  {% set a = 1 -%}   \n  y",
    "a\r\n{% if true %}\r\nb\rc\r\n{% endif %}\r\n\r\n",
    "\t{# c #}\n\t{# d #} e\n",
    "x {%- if true -%} y {%- endif -%} z\n",
    "{% for i in [1,2] %}\n  {{ i }}\n{% endfor %}\n\n\n",
    "\n{% if true %}\n\n{% endif %}\n",
    "{{- '\n a' -}} \n b",
    "a  \n  {%- set x = 1 %}\n  b",
    "no newline",
    "\n",
    "",
    "{%- set q = messages | selectattr('role', 'eq', 'query') | map(attribute='content') | first -%}\n<q>{{ q }}\n</q>\n\n",
    "100%}\n{{ 1 }}",
    "{%+ if true %} a{% endif +%}\n b",
    "  {%+ if true +%}\n a{% endif %}\n b",
    "{{ {'a': {'b': '}}%}'}} }}\n {% set x = '%}' %}\n{{ x }}",
    "{% if true %}\n{# c #}\n{% endif %}\n x #}\n y",
]


def render(template):
    try:
        return _compile_jinja_template(template).render(**VARIABLES)
    except Exception:
        return None


def main():
    cases = [[template, render(template)] for template in CASES + BLOCKS]
    result = {"variables": VARIABLES, "cases": cases}
    (Path(__file__).parent / "cases.json").write_text(json.dumps(result, indent=1) + "\n")
    print(len(cases), "cases,", sum(text is None for _, text in cases), "that the reference refuses")


main()
